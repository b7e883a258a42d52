import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Pick, View } from '../../shared/protocol.js';
import { differenceTable } from '../color-maps.js';
import { csv } from '../export.js';
import { Footer } from '../footer.js';
import { isPooled, type Tile, tileRequest, toTile, type Window, weightAt } from '../matrix.js';
import type { Paint } from '../matrix-painter.js';
import { MatrixPlot } from '../matrix-plot.js';
import { Failure, Loading } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { picks, Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import { labelOf, toLabel } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestions } from '../use-question.js';
import { viewLabel } from '../view-label.js';

interface Pair {
  readonly a: Tile;
  readonly b: Tile;
  readonly difference: Tile;
  /** Mean over the rows of the share of attention that lies elsewhere: half the sum of absolute differences. */
  readonly elsewhere: number;
}

/** Two layers or heads of one text, and what sets them apart. */
export function CompareView() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, stack, view, query, settings, theme } = panel;
  const { point, choose, setBusy } = panel;
  const [layer, setLayer] = useState<Pick>('mean');
  const [head, setHead] = useState<Pick>('mean');
  const [visible, setVisible] = useState<Window | null>(null);
  const other: View = useMemo(() => ({ ...view, layer, head }), [view, layer, head]);

  const size = useMemo(() => ({ rows: queries.length, columns: keys.length }), [queries.length, keys.length]);
  const wanted = useMemo(
    () => tileRequest(size, visible ?? { rows: [0, size.rows], columns: [0, size.columns] }),
    [size, visible],
  );
  const answers = useQuestions(
    transport,
    'tile',
    [view, other].map(one => ({ view: one, ...wanted, pooling: 'max' as const, exact: true })),
    generation,
  );
  useEffect(() => setBusy(answers.isWaiting), [answers.isWaiting, setBusy]);

  const pair = useMemo((): Pair | null => {
    const [first, second] = answers.value ?? [];
    if (!first || !second || first.result.version !== version || second.result.version !== version) return null;
    return compare(toTile(first.params, first.result), toTile(second.params, second.result));
  }, [answers.value, version]);
  const last = useRef<Pair | null>(null);
  if (pair) last.current = pair;
  const drawn = pair ?? last.current;

  const rows = useMemo(() => queries.map(toLabel), [queries]);
  const columns = useMemo(() => keys.map(toLabel), [keys]);
  const paint = useMemo(
    (): Paint => ({
      colors: differenceTable(theme.isLight),
      scale: settings.scale,
      max: drawn?.difference.max ?? 0,
      isSigned: true,
    }),
    [theme.isLight, settings.scale, drawn],
  );

  if (answers.problem) return <Failure message={answers.problem.message} />;
  if (!drawn) return <Loading />;
  const describe = ({ row, column }: Cell): string => {
    const [looking, looked] = [queries[row], keys[column]];
    const [a, b] = [weightAt(drawn.a, row, column), weightAt(drawn.b, row, column)];
    if (!looking || !looked || a === null || b === null) return '';
    return t('cellDifference', labelOf(looking), labelOf(looked), formatWeight(a), formatWeight(b), signed(a - b));
  };
  return (
    <>
      <Toolbar picks={['layer', 'head']}>
        <span class="note" aria-hidden="true">
          −
        </span>
        <Select label={t('otherLayer')} value={layer} options={picks(stack.layers)} onChange={setLayer} />
        <Select label={t('otherHead')} value={head} options={picks(stack.heads)} onChange={setHead} />
      </Toolbar>
      <div class="content">
        <MatrixPlot
          name={t('differenceMatrix')}
          rows={rows}
          columns={columns}
          tile={drawn.difference}
          paint={paint}
          theme={theme}
          row={query}
          hint={isPooled(drawn.a) ? '' : t('elsewhere', Math.round(100 * drawn.elsewhere))}
          describe={describe}
          csv={() => pairCsv(drawn, panel)}
          onVisible={setVisible}
          onPoint={point}
          onChoose={choose}
        />
      </div>
      <Footer max={drawn.difference.max} label={`${viewLabel(view)} − ${viewLabel(other)}`} difference={paint.colors} />
    </>
  );
}

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${formatWeight(Math.abs(value))}`;

/** @throws Error when the tiles are of different shapes. */
function compare(a: Tile, b: Tile): Pair {
  if (a.values.length !== b.values.length) throw new Error('The two matrices differ in size.');
  const values = a.values.map((weight, index) => weight - (b.values[index] ?? 0));
  let max = 0;
  let sum = 0;
  for (const value of values) {
    max = Math.max(max, Math.abs(value));
    sum += Math.abs(value);
  }
  return { a, b, difference: { ...a, values, max }, elsewhere: sum / 2 / Math.max(1, a.shape[0]) };
}

function pairCsv({ a, b }: Pair, { queries, keys }: ReturnType<typeof usePanel>): string {
  const [rows, columns] = a.shape;
  const exact = (weight: number | undefined) => Number((weight ?? 0).toPrecision(7));
  return csv([
    ['query', 'query_token', 'key', 'key_token', 'weight_a', 'weight_b', 'difference'],
    ...Array.from({ length: rows * columns }, (_, index) => {
      const [query, key] = [a.rows[0] + Math.floor(index / columns), a.columns[0] + (index % columns)];
      const [first, second] = [a.values[index] ?? 0, b.values[index] ?? 0];
      const names = [query, queries[query]?.text ?? '', key, keys[key]?.text ?? ''];
      return [...names, exact(first), exact(second), exact(first - second)];
    }),
  ]);
}

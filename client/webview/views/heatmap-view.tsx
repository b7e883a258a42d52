import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { colorTable } from '../color-maps.js';
import { Footer } from '../footer.js';
import { type Tile, tileRequest, toTile, type Window, weightAt } from '../matrix.js';
import { matrixCsv } from '../matrix-csv.js';
import type { Paint } from '../matrix-painter.js';
import { MatrixPlot } from '../matrix-plot.js';
import { Loading, NoPicture } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { formatWeight, t } from '../strings.js';
import { labelOf, toLabel } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';
import { KeyTable } from './key-table.js';

/** The pointer rests this long before exact numbers are asked for (ms). */
const rowDelay = 80;

/** One head: the whole matrix, the row of the query, one number under the pointer. */
export function HeatmapView() {
  const {
    transport,
    generation,
    version,
    queries,
    keys,
    view,
    query,
    settings,
    theme,
    point,
    choose,
    setBusy,
    isTableOpen,
  } = usePanel();
  const [visible, setVisible] = useState<Window | null>(null);
  const [pointed, setPointed] = useState<Cell | null>(null);

  const size = useMemo(() => ({ rows: queries.length, columns: keys.length }), [queries.length, keys.length]);
  const wanted = useMemo(
    () => tileRequest(size, visible ?? { rows: [0, size.rows], columns: [0, size.columns] }),
    [size, visible],
  );
  const answer = useQuestion(
    transport,
    'tile',
    { view, rows: wanted.rows, columns: wanted.columns, size: wanted.size, pooling: 'max', exact: true },
    generation,
  );
  const tile = useMemo((): Tile | null => {
    const { value, asked } = answer;
    return value && asked && value.version === version ? toTile(asked, value) : null;
  }, [answer.value, answer.asked, version]);
  const last = useRef<Tile | null>(null);
  if (tile) last.current = tile;
  const drawn = tile ?? last.current;
  useEffect(() => setBusy(answer.isWaiting), [answer.isWaiting, setBusy]);

  const rowWanted = pointed?.row ?? (isTableOpen ? (query ?? 0) : null);
  const [rowAsked, setRowAsked] = useState<number | null>(null);
  useEffect(() => {
    const timer = window.setTimeout(() => setRowAsked(rowWanted), rowDelay);
    return () => clearTimeout(timer);
  }, [rowWanted]);
  const row = useQuestion(
    transport,
    'row',
    rowAsked === null || rowAsked >= queries.length ? null : { view, query: rowAsked },
    generation,
  );
  const exactRow = useMemo(
    () => row.value && row.asked && { query: row.asked.query, weights: new Float32Array(row.value.weights) },
    [row.value, row.asked],
  );
  const rowLabels = useMemo(() => queries.map(toLabel), [queries]);
  const columnLabels = useMemo(() => keys.map(toLabel), [keys]);
  const paint = useMemo(
    (): Paint => ({
      colors: colorTable(settings.colorMap, theme.isLight),
      scale: settings.scale,
      max: drawn?.max ?? 0,
      isSigned: false,
    }),
    [settings.colorMap, settings.scale, theme.isLight, drawn?.max],
  );
  const onPoint = useCallback(
    (cell: Cell | null) => {
      setPointed(cell);
      point(cell);
    },
    [point],
  );

  if (answer.problem) return <NoPicture problem={answer.problem} />;
  if (!drawn) return <Loading />;
  const describe = ({ row, column }: Cell): string => {
    const [looking, looked] = [queries[row], keys[column]];
    if (!looking || !looked) return '';
    const weight = weightAt(drawn, row, column) ?? (exactRow?.query === row ? exactRow.weights[column] : undefined);
    return t('cell', labelOf(looking), labelOf(looked), weight === undefined ? '…' : formatWeight(weight));
  };
  return (
    <>
      <Toolbar picks={['layer', 'head']} />
      <div class="content">
        <MatrixPlot
          name={t('attentionMatrix')}
          rows={rowLabels}
          columns={columnLabels}
          tile={drawn}
          paint={paint}
          theme={theme}
          row={query}
          hint={t('rowsAreQueries')}
          describe={describe}
          csv={tile => matrixCsv(tile, queries, keys)}
          onVisible={setVisible}
          onPoint={onPoint}
          onChoose={choose}
        />
        {isTableOpen && exactRow?.weights.length === keys.length && (
          <KeyTable
            query={exactRow.query}
            queries={queries}
            keys={keys}
            weights={exactRow.weights}
            onPoint={point}
            onChoose={choose}
          />
        )}
      </div>
      <Footer max={drawn.max} />
    </>
  );
}

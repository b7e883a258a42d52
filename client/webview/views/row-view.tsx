import { useEffect, useMemo } from 'preact/hooks';
import { type Token, withHead } from '../../shared/protocol.js';
import { colorTable } from '../color-maps.js';
import { DataTable } from '../data-table.js';
import { csv } from '../export.js';
import { Footer } from '../footer.js';
import type { Tile } from '../matrix.js';
import type { Paint } from '../matrix-painter.js';
import { MatrixPlot } from '../matrix-plot.js';
import { Hint, Loading, NoPicture } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { picks, Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import { labelOf, toLabel } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestions } from '../use-question.js';

/** Tokens stay readable; longer texts are scrolled. */
const smallestCell = 18;

/** One token across all layers: how its attention moves with depth. */
export function RowView() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, stack, view, setView, query, settings, theme } = panel;
  const { point, choose, setBusy, isTableOpen } = panel;
  const token = query === null ? undefined : queries[query];
  const answers = useQuestions(
    transport,
    'row',
    query === null || query >= queries.length
      ? []
      : Array.from({ length: stack.layers }, (_, layer) => ({ view: { ...view, layer }, query })),
    generation,
  );
  useEffect(() => setBusy(answers.isWaiting), [answers.isWaiting, setBusy]);

  const tile = useMemo((): Tile | null => {
    const rows = answers.value;
    if (!rows || rows.length !== stack.layers || rows.some(({ result }) => result.version !== version)) return null;
    const values = new Float32Array(keys.length * rows.length);
    let max = 0;
    for (const [layer, { result }] of rows.entries()) {
      const weights = new Float32Array(result.weights);
      if (weights.length !== keys.length) return null;
      weights.forEach((weight, key) => {
        values[key * rows.length + layer] = weight;
        max = Math.max(max, weight);
      });
    }
    return { rows: [0, keys.length], columns: [0, rows.length], shape: [keys.length, rows.length], values, max };
  }, [answers.value, keys.length, stack.layers, version]);

  const paint = useMemo(
    (): Paint => ({
      colors: colorTable(settings.colorMap, theme.isLight),
      scale: settings.scale,
      max: tile?.max ?? 0,
      isSigned: false,
    }),
    [settings, theme.isLight, tile],
  );
  const rows = useMemo(() => keys.map(toLabel), [keys]);
  const columns = useMemo(
    () => Array.from({ length: stack.layers }, (_, layer) => ({ text: String(layer), isDimmed: false })),
    [stack.layers],
  );

  const toolbar = (
    <Toolbar picks={[]}>
      <Select
        label={t('head')}
        value={view.head}
        options={picks(stack.heads)}
        onChange={head => setView(withHead(view, { layer: view.layer, head }))}
      />
      {token && <span class="note">{t('acrossLayers', labelOf(token))}</span>}
    </Toolbar>
  );
  if (query === null || !token) {
    return (
      <>
        {toolbar}
        <Hint message={t('chooseQuery')} />
      </>
    );
  }
  if (answers.problem) return <NoPicture problem={answers.problem} />;
  if (!tile) return <Loading />;
  const describe = ({ row, column }: Cell): string => {
    const key = keys[row];
    const weight = tile.values[row * stack.layers + column];
    return key ? t('cellOfLayer', labelOf(token), labelOf(key), column, formatWeight(weight ?? 0)) : '';
  };
  return (
    <>
      {toolbar}
      <div class="content">
        <MatrixPlot
          name={t('acrossLayers', labelOf(token))}
          rows={rows}
          columns={columns}
          tile={tile}
          paint={paint}
          theme={theme}
          row={null}
          smallest={smallestCell}
          hint={t('rowHint')}
          describe={describe}
          csv={() =>
            csv([
              ['layer', 'key', 'key_token', 'weight'],
              ...Array.from(tile.values, (weight, index): (string | number)[] => {
                const key = Math.floor(index / stack.layers);
                return [index % stack.layers, key, keys[key]?.text ?? '', Number(weight.toPrecision(7))];
              }),
            ])
          }
          onPoint={cell => point(cell && { row: query, column: cell.row })}
          onChoose={({ row }) => choose({ row: null, column: row })}
        />
        {isTableOpen && (
          <DataTable
            caption={t('acrossLayers', labelOf(token))}
            isWide
            rows={keys}
            keyOf={({ index }) => index}
            columns={[
              { label: t('token'), value: labelOf, isHeading: true },
              { label: t('position'), value: ({ index }) => index, isAscending: true },
              ...columns.map(({ text }, layer) => {
                const weightOf = ({ index }: Token) => tile.values[index * stack.layers + layer] ?? 0;
                return { label: text, value: weightOf, cell: (key: Token) => formatWeight(weightOf(key)) };
              }),
            ]}
            isDimmed={({ special }) => special}
            onPoint={key => point(key && { row: query, column: key.index })}
            onChoose={({ index }) => choose({ row: null, column: index })}
          />
        )}
      </div>
      <Footer max={tile.max} label={view.head === 'mean' ? t('meanOfHeads') : t('headNumber', view.head)} />
    </>
  );
}

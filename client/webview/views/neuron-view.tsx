import { useEffect, useMemo, useState } from 'preact/hooks';
import { differenceTable } from '../color-maps.js';
import { DataTable } from '../data-table.js';
import { csv } from '../export.js';
import { Footer } from '../footer.js';
import { strongest } from '../lines.js';
import type { Tile } from '../matrix.js';
import type { Paint } from '../matrix-painter.js';
import { MatrixPlot } from '../matrix-plot.js';
import { Hint, Loading, NoPicture } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { type Option, Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import { labelOf } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';

/** Keys that the menu offers, strongest first. */
const offeredKeys = 100;

const exact = (value: number): string => Number(value.toPrecision(4)).toString().replace('-', '−');

/** One pair of tokens in one head: query, key, their product, and the way from there to the weight. */
export function NeuronView() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, view, query, theme, point, setBusy, isTableOpen } = panel;
  const [chosenKey, setChosenKey] = useState<number | null>(null);
  const isOneHead = view.layer !== 'mean' && view.head !== 'mean';
  const isAsked = query !== null && query < queries.length && isOneHead;

  const row = useQuestion(transport, 'row', isAsked ? { view, query } : null, generation);
  const offered = useMemo(() => {
    if (!row.value || row.asked?.query !== query) return null;
    const weights = new Float32Array(row.value.weights);
    const indices = strongest(weights, 1).indices.slice(0, offeredKeys);
    return { weights, indices };
  }, [row.value, row.asked, query]);
  // A pair of the text before says nothing about this one.
  useEffect(() => setChosenKey(null), [queries]);
  const key = chosenKey !== null && chosenKey < keys.length ? chosenKey : (offered?.indices[0] ?? null);

  const answer = useQuestion(transport, 'score', isAsked && key !== null ? { view, query, key } : null, generation);
  useEffect(() => setBusy(answer.isWaiting || row.isWaiting), [answer.isWaiting, row.isWaiting, setBusy]);

  const vectors = useMemo(() => {
    const { value } = answer;
    if (!value || value.version !== version) return null;
    const [q, k] = [new Float32Array(value.queryVector), new Float32Array(value.keyVector)];
    if (q.length !== k.length || q.length === 0) return null;
    const product = q.map((one, index) => one * (k[index] ?? 0));
    return [q, k, product] as const;
  }, [answer.value, version]);
  const tile = useMemo((): Tile | null => {
    if (!vectors) return null;
    const size = vectors[0].length;
    const values = new Float32Array(3 * size);
    // Each strip fills its own scale: products are of another order of magnitude than their factors.
    for (const [index, vector] of vectors.entries()) {
      const max = vector.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
      values.set(
        vector.map(value => value / max),
        index * size,
      );
    }
    return { rows: [0, 3], columns: [0, size], shape: [3, size], values, max: 1 };
  }, [vectors]);
  const paint = useMemo(
    (): Paint => ({ colors: differenceTable(theme.isLight), scale: 'linear', max: 1, isSigned: true }),
    [theme.isLight],
  );
  const rows = useMemo(() => [t('query'), t('key'), t('product')].map(text => ({ text, isDimmed: false })), []);
  const columns = useMemo(
    () => Array.from({ length: vectors?.[0].length ?? 0 }, (_, index) => ({ text: String(index), isDimmed: true })),
    [vectors],
  );

  const [looking, looked] = [query === null ? undefined : queries[query], key === null ? undefined : keys[key]];
  const options = offered?.indices.map((index): Option<number> => {
    const token = keys[index];
    return [index, `${index} ${token ? labelOf(token) : ''} · ${formatWeight(offered.weights[index] ?? 0)}`];
  });
  const toolbar = (
    <Toolbar picks={['layer', 'head']} hasScale={false}>
      {options && key !== null && (
        <Select
          label={t('keyToken')}
          value={key}
          options={options.some(([index]) => index === key) ? options : [[key, String(key)], ...options]}
          onChange={setChosenKey}
        />
      )}
    </Toolbar>
  );
  const withHint = (message: string) => (
    <>
      {toolbar}
      <Hint message={message} />
    </>
  );
  if (!isOneHead) return withHint(t('chooseHead'));
  if (query === null || !looking) return withHint(t('chooseQuery'));
  const problem = row.problem ?? answer.problem;
  if (problem) return <NoPicture problem={problem} />;
  if (!answer.value || !tile || !vectors || !looked || !answer.asked) return <Loading />;

  const { scale, bias, score, logSumExp, weight, isMasked } = answer.value;
  const dot = vectors[2].reduce((sum, value) => sum + value, 0);
  const describe = ({ column }: Cell): string =>
    t('component', column, ...vectors.map(vector => exact(vector[column] ?? 0)));
  const steps: readonly (readonly [name: string, formula: string, value: string])[] = [
    [t('stepDot'), 'q·k', exact(dot)],
    [t('stepScale'), `× ${exact(scale)}`, exact(dot * scale)],
    ...(bias ? [[t('stepBias'), `+ ${exact(bias)}`, exact(dot * scale + bias)] as const] : []),
    isMasked
      ? [t('stepMasked'), '−∞', '−∞']
      : [t('stepSoftmax'), `exp(${exact(score ?? 0)} − ${exact(logSumExp ?? 0)})`, formatWeight(weight)],
    [t('weight'), `“${labelOf(looking)}” → “${labelOf(looked)}”`, formatWeight(weight)],
  ];
  return (
    <>
      {toolbar}
      <div class="content stacked">
        <MatrixPlot
          name={t('neuronMatrix')}
          rows={rows}
          columns={columns}
          tile={tile}
          paint={paint}
          theme={theme}
          row={null}
          hint={t('neuronHint')}
          describe={describe}
          csv={() =>
            csv([
              ['component', 'query', 'key', 'product'],
              ...Array.from(vectors[0], (value, index) => [
                index,
                value,
                vectors[1][index] ?? 0,
                vectors[2][index] ?? 0,
              ]),
            ])
          }
          onPoint={() => point({ row: query, column: key })}
          onChoose={() => undefined}
        />
        <section class="steps" aria-label={t('stepsName')}>
          <table>
            <caption>{`softmax(q·kᵀ / √d)`}</caption>
            <tbody>
              {steps.map(([name, formula, value]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="formula">{formula}</td>
                  <td class="number">{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        {isTableOpen && (
          <DataTable
            caption={t('neuronMatrix')}
            isWide
            rows={columns.map((_, index) => index)}
            keyOf={index => index}
            columns={[
              { label: t('componentNumber'), value: index => index, isAscending: true, isHeading: true },
              ...rows.map(({ text }, strip) => {
                const valueAt = (index: number) => vectors[strip]?.[index] ?? 0;
                return { label: text, value: valueAt, cell: (index: number) => exact(valueAt(index)) };
              }),
            ]}
          />
        )}
      </div>
      <Footer />
    </>
  );
}

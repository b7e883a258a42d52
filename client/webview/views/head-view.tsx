import { hcl } from 'd3-color';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { type Pick, type View, withHead } from '../../shared/protocol.js';
import { DataTable } from '../data-table.js';
import { csv } from '../export.js';
import { Footer } from '../footer.js';
import { headHue, strongest } from '../lines.js';
import { Loading, NoPicture } from '../notice.js';
import { usePanel } from '../panel-context.js';
import { Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import type { Theme } from '../theme.js';
import { describeFocus, type Focus, isSame, type Side, TokenColumns } from '../token-columns.js';
import { toLabel } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestions } from '../use-question.js';
import { viewLabel } from '../view-label.js';
import { nameOf } from './key-table.js';

/** Rows are asked for in blocks, so that scrolling a little asks nothing. */
const blockRows = 64;
const defaultShare = 0.7;
const sides = ['query', 'key'] as const;

type Pair = 'all' | '00' | '01' | '10' | '11';

/** Tokens in two columns, with lines between them: what looks where, and what is looked at from where. */
export function HeadView() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, stack, view, theme, query, point, setBusy } = panel;
  const { choose, isTableOpen } = panel;
  const [block, setBlock] = useState<readonly [from: number, to: number]>([0, blockRows]);
  const [extraHeads, setExtraHeads] = useState<readonly number[]>([]);
  const [share, setShare] = useState(defaultShare);
  const [looked, setLooked] = useState<Focus | null>(null);
  const [selected, setSelected] = useState<readonly Focus[]>([]);
  const [pair, setPair] = useState<Pair>('all');

  const heads: readonly Pick[] = useMemo(
    () => (extraHeads.length > 0 ? extraHeads : [view.head]),
    [extraHeads, view.head],
  );
  // Another text has other tokens under the same numbers.
  useEffect(() => {
    setSelected([]);
    setLooked(null);
  }, [queries, keys]);

  const [from, to] = [Math.min(block[0], queries.length), Math.min(block[1], queries.length)];
  const onVisible = useCallback((first: number, last: number) => {
    const next = [Math.floor(first / blockRows) * blockRows, (Math.ceil(last / blockRows) + 1) * blockRows] as const;
    setBlock(now => (now[0] === next[0] && now[1] === next[1] ? now : next));
  }, []);
  const focused = useMemo<readonly Focus[]>(() => {
    // A token of the selection stands for all of it: so its sum can be seen while pointer or keyboard is there.
    if (looked && !selected.some(focus => isSame(focus, looked))) return [looked];
    if (selected.length > 0) return selected;
    return query === null ? [] : [{ side: 'query', index: query }];
  }, [looked, selected, query]);

  const viewOf = (head: Pick): View => (extraHeads.length > 0 ? withHead(view, { layer: view.layer, head }) : view);
  const wholeRow = [0, keys.length] as const;
  const rows = useQuestions(
    transport,
    'tile',
    to > from
      ? heads.map(head => ({
          view: viewOf(head),
          rows: [from, to] as const,
          columns: wholeRow,
          size: [to - from, keys.length] as const,
          pooling: 'max' as const,
          exact: true,
        }))
      : [],
    generation,
  );
  // A focused token may lie outside the block, and a key needs its whole column.
  const extra = useQuestions(
    transport,
    'tile',
    focused.flatMap(({ side, index }) =>
      heads.map(head => ({
        view: viewOf(head),
        rows: side === 'query' ? ([index, index + 1] as const) : ([0, queries.length] as const),
        columns: side === 'query' ? wholeRow : ([index, index + 1] as const),
        size: side === 'query' ? ([1, keys.length] as const) : ([queries.length, 1] as const),
        pooling: 'max' as const,
        exact: true,
      })),
    ),
    generation,
  );
  useEffect(() => setBusy(rows.isWaiting), [rows.isWaiting, setBusy]);

  const isAllowed = useMemo(() => {
    if (pair === 'all') return () => true;
    const [a, b] = [Number(pair[0]), Number(pair[1])];
    return (from: number, to: number) => queries[from]?.typeId === a && keys[to]?.typeId === b;
  }, [pair, queries, keys]);

  const bundles = useMemo(() => {
    const source = focused.length > 0 ? extra.value : rows.value;
    const list: Bundle[] = [];
    for (const { params, result } of source ?? []) {
      if (result.version !== version || result.data.byteLength !== result.shape[0] * result.shape[1] * 4) continue;
      const values = new Float32Array(result.data);
      const isColumn = params.columns[1] - params.columns[0] === 1 && params.rows[1] - params.rows[0] !== 1;
      const [height, width] = result.shape;
      if (isColumn) {
        const key = params.columns[0];
        const weights = values.map((weight, index) => (isAllowed(index, key) ? weight : 0));
        list.push({ head: params.view.head, side: 'key', index: key, weights, ...strongest(weights, share) });
        continue;
      }
      for (let row = 0; row < height; row++) {
        const index = params.rows[0] + row;
        const weights = values
          .subarray(row * width, (row + 1) * width)
          .map((weight, key) => (isAllowed(index, key) ? weight : 0));
        list.push({ head: params.view.head, side: 'query', index, weights, ...strongest(weights, share) });
      }
    }
    return list;
  }, [focused.length, extra.value, rows.value, version, share, isAllowed]);

  // With tokens in focus all their numbers are told; else the lines that are drawn, as all pairs would be too many.
  const listed = useMemo(() => entriesOf(bundles, focused.length > 0), [bundles, focused.length]);
  const lines = useMemo(
    () =>
      listed
        .filter(({ isDrawn }) => isDrawn)
        .map(entry => ({ ...entry, color: headColor(entry.head, stack.heads, theme) })),
    [listed, stack.heads, theme],
  );
  const weights = useMemo(() => meanFor(bundles, focused), [bundles, focused]);
  const labels = useMemo(() => ({ query: queries.map(toLabel), key: keys.map(toLabel) }), [queries, keys]);
  const atCursor = useMemo((): Focus | null => (query === null ? null : { side: 'query', index: query }), [query]);
  const toggle = (focus: Focus) =>
    setSelected(now => {
      const rest = now.filter(other => !isSame(other, focus));
      return rest.length < now.length ? rest : [...rest.filter(other => other.side === focus.side), focus];
    });

  if (rows.problem) return <NoPicture problem={rows.problem} />;
  if (!rows.value) return <Loading />;
  const describe = (focus: Focus) => describeFocus(focus, labels, meanFor(bundles, [focus]));
  const kept = bundles.length === 0 ? 1 : bundles.reduce((sum, bundle) => sum + bundle.kept, 0) / bundles.length;
  const percent = (value: number) => Math.round(value * 100);
  const hasPair = new Set(queries.map(token => token.typeId)).size > 1;
  return (
    <>
      <Toolbar picks={['layer', 'head']}>
        <label>
          <span>{t('mass')}</span>
          <input
            type="range"
            min="10"
            max="100"
            step="5"
            value={percent(share)}
            onInput={event => setShare(Number(event.currentTarget.value) / 100)}
          />
          <output>{`${percent(share)} %`}</output>
        </label>
        {hasPair && (
          <Select
            label={t('segments')}
            value={pair}
            options={[
              ['all', t('segmentsAll')],
              ['00', 'A → A'],
              ['01', 'A → B'],
              ['10', 'B → A'],
              ['11', 'B → B'],
            ]}
            onChange={setPair}
          />
        )}
        {selected.length > 0 && (
          <button type="button" class="link" onClick={() => setSelected([])}>
            {t('clearSelection')}
          </button>
        )}
      </Toolbar>
      <fieldset class="heads" aria-label={t('headsLegend')}>
        {Array.from({ length: stack.heads }, (_, head) => (
          <HeadSwatch
            key={head}
            head={head}
            color={headColor(head, stack.heads, theme)}
            isOn={heads.includes(head)}
            onToggle={() =>
              setExtraHeads(now => {
                const before = now.length > 0 ? now : typeof view.head === 'number' ? [view.head] : [];
                return before.includes(head)
                  ? before.filter(other => other !== head)
                  : [...before, head].sort((a, b) => a - b);
              })
            }
          />
        ))}
      </fieldset>
      <div class="content">
        <TokenColumns
          name={t('linesName')}
          sides={sides}
          titles={{ query: t('queryToken'), key: t('keyToken') }}
          labels={labels}
          lines={lines}
          focused={focused}
          weights={weights}
          selected={selected}
          atCursor={atCursor}
          isWhole={focused.length > 0 || (from === 0 && to === queries.length)}
          csv={() =>
            csv([
              ['head', 'query', 'query_token', 'key', 'key_token', 'weight'],
              ...listed.map(({ head, query, key, weight }) => {
                const names = [query, queries[query]?.text ?? '', key, keys[key]?.text ?? ''];
                return [head, ...names, Number(weight.toPrecision(7))];
              }),
            ])
          }
          describe={describe}
          onLook={focus => {
            setLooked(focus);
            point(
              focus && {
                row: focus.side === 'query' ? focus.index : null,
                column: focus.side === 'key' ? focus.index : null,
              },
            );
          }}
          onChoose={toggle}
          onEscape={() => setSelected([])}
          onVisible={onVisible}
        />
        {isTableOpen && (
          <DataTable
            caption={t('linesName')}
            isWide={heads.length > 1}
            rows={listed}
            keyOf={({ head, query, key }) => `${head}/${query}/${key}`}
            sortedBy={heads.length > 1 ? 3 : 2}
            columns={[
              { label: t('queryToken'), value: ({ query }) => nameOf(queries, query), isHeading: true },
              { label: t('keyToken'), value: ({ key }) => nameOf(keys, key) },
              ...(heads.length > 1
                ? [
                    {
                      label: t('head'),
                      value: ({ head }: Entry) => (head === 'mean' ? -1 : head),
                      isAscending: true,
                    },
                  ]
                : []),
              { label: t('weight'), value: ({ weight }) => weight, cell: ({ weight }) => formatWeight(weight) },
            ]}
            isDimmed={({ isDrawn }) => !isDrawn}
            onPoint={line => point(line && { row: line.query, column: line.key })}
            onChoose={({ query, key }) => choose({ row: query, column: key })}
          />
        )}
      </div>
      <div class="readout" data-testid="readout">
        {focused[0] ? describe(focused[0]) : t('massDrawn', percent(kept), lines.length, 100 - percent(kept))}
      </div>
      <Footer
        label={`${viewLabel({ ...view, head: heads.length === 1 ? (heads[0] ?? 'mean') : 'mean' })}${heads.length > 1 ? ` (${t('heads')}: ${heads.join(', ')})` : ''}`}
      />
    </>
  );
}

/** The weight of one pair of tokens in one head. */
interface Entry {
  readonly head: Pick;
  readonly query: number;
  readonly key: number;
  readonly weight: number;
  readonly isDrawn: boolean;
}

/** The lines of the bundles; if wanted with what is too weak to be drawn. */
const entriesOf = (bundles: readonly Bundle[], isComplete: boolean): Entry[] =>
  bundles.flatMap(({ head, side, index, weights, indices }) => {
    const drawn = new Set(indices);
    const rest = isComplete ? [...weights.keys()].filter(other => (weights[other] ?? 0) > 0 && !drawn.has(other)) : [];
    return [...indices, ...rest].map(other => ({
      head,
      ...(side === 'query' ? { query: index, key: other } : { query: other, key: index }),
      weight: weights[other] ?? 0,
      isDrawn: drawn.has(other),
    }));
  });

/** What the tokens on the other side get from some tokens on average. */
function meanFor(all: readonly Bundle[], tokens: readonly Focus[]): Float32Array {
  // While the answer for other tokens is on its way, the bundles are still those of the tokens before.
  const bundles = all.filter(bundle => tokens.some(focus => isSame(focus, bundle)));
  const sum = new Float32Array(bundles[0]?.weights.length ?? 0);
  for (const { weights } of bundles) {
    for (const [index, weight] of weights.entries()) sum[index] = (sum[index] ?? 0) + weight / bundles.length;
  }
  return sum;
}

interface HeadSwatchProps {
  readonly head: number;
  readonly color: string;
  readonly isOn: boolean;
  readonly onToggle: () => void;
}

function HeadSwatch({ head, color, isOn, onToggle }: HeadSwatchProps) {
  return (
    <label class="swatch" data-on={isOn}>
      <input type="checkbox" checked={isOn} onChange={onToggle} aria-label={t('headNumber', head)} />
      <span class="color" style={{ background: color }} aria-hidden="true" />
      <span aria-hidden="true">{head}</span>
    </label>
  );
}

/** The lines of one token in one head. */
interface Bundle {
  readonly head: Pick;
  readonly side: Side;
  readonly index: number;
  readonly weights: Float32Array;
  readonly indices: readonly number[];
  readonly kept: number;
}

function headColor(head: Pick, heads: number, theme: Theme): string {
  if (head === 'mean') return theme.query;
  return hcl(headHue(head, heads), 62, theme.isLight ? 46 : 72).formatRgb();
}

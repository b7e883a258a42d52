import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Aligned } from '../../shared/alignment.js';
import type { Comparison } from '../../shared/panel.js';
import { type ModelSummary, type Pick, type Token, type View, withHead } from '../../shared/protocol.js';
import { type Axes, axesOf } from '../axes.js';
import { differenceTable } from '../color-maps.js';
import { DataTable } from '../data-table.js';
import { csv } from '../export.js';
import { Footer } from '../footer.js';
import { isPooled, type Tile, tileRequest, toTile, type Window, weightAt, wholeLimit } from '../matrix.js';
import type { Paint } from '../matrix-painter.js';
import { MatrixPlot } from '../matrix-plot.js';
import { Loading, NoPicture } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { picks, Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import { alignTokens, sideOf, type TokenAlignment } from '../token-alignment.js';
import { labelOf } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion, useQuestions } from '../use-question.js';
import { viewLabel } from '../view-label.js';

/** What the text is compared with: its tokens, and which of its weights. */
interface Other extends Axes {
  readonly version: number | null;
  readonly name: string;
  readonly view: View;
}

/** Two layers or heads, texts, versions of a text, or models, and what sets them apart. */
export function CompareView() {
  const panel = usePanel();
  const { transport, generation, version, model, queries, keys, stack, view, comparison } = panel;
  const [chosen, setChosen] = useState<{ readonly layer: Pick | null; readonly head: Pick | null }>({
    layer: null,
    head: null,
  });
  const answer = useQuestion(transport, 'tokens', comparison ? { side: 'other' } : null, generation);

  const other = useMemo((): Other | null => {
    const axes = comparison ? axesOf(answer.value, view) : { stack, queries, keys };
    if (!axes) return null;
    // Two texts are compared by the same head, unless another one is chosen; one text by its mean.
    const pick = (wanted: Pick | null, own: Pick, count: number): Pick => {
      const value = wanted ?? (comparison ? own : 'mean');
      return value === 'mean' || value < count ? value : 'mean';
    };
    const isOwn = comparison !== null && chosen.layer === null && chosen.head === null;
    return {
      ...axes,
      version: comparison ? (answer.value?.version ?? null) : version,
      name: nameOf(comparison, answer.value?.model ?? model),
      view: {
        ...(isOwn ? view : withHead(view, view)),
        ...(comparison ? { stack: axes.stack.kind } : {}),
        layer: pick(chosen.layer, view.layer, axes.stack.layers),
        head: pick(chosen.head, view.head, axes.stack.heads),
      },
    };
  }, [comparison, answer.value, chosen, view, model, stack, queries, keys, version]);

  const problem = comparison ? answer.problem : null;
  return (
    <>
      <Toolbar picks={['layer', 'head']}>
        <span class="note" aria-hidden="true">
          −
        </span>
        {other && !problem && (
          <>
            <Select
              label={t('otherLayer')}
              value={other.view.layer}
              options={picks(other.stack.layers)}
              onChange={layer => setChosen({ layer, head: other.view.head })}
            />
            <Select
              label={t('otherHead')}
              value={other.view.head}
              options={picks(other.stack.heads)}
              onChange={head => setChosen({ layer: other.view.layer, head })}
            />
          </>
        )}
        <button
          type="button"
          class="secondary"
          title={t('compareWith')}
          onClick={() => transport.send({ type: 'command', command: 'compareWith' })}
        >
          <span class="codicon codicon-diff" aria-hidden="true" />
          {t('comparedWith', nameOf(comparison, answer.value?.model ?? model))}
        </button>
      </Toolbar>
      {problem ? <NoPicture problem={problem} /> : other ? <Difference other={other} /> : <Loading />}
    </>
  );
}

interface Pair {
  readonly a: Tile;
  readonly b: Tile;
  /** Over the places of both texts; rows that only one of them has are empty. */
  readonly difference: Tile;
  readonly rows: TokenAlignment;
  readonly columns: TokenAlignment;
  /** Mean over the rows of the share of attention that lies elsewhere: half the sum of absolute differences. */
  readonly elsewhere: number;
}

/** Where tokens differ cells are compared one by one, so that pooling would compare what does not belong together. */
const smallestCell = 2;
const mostPlaces = 1024;

function Difference({ other }: { readonly other: Other }) {
  const panel = usePanel();
  const { transport, generation, version, model, queries, keys, view, query, settings, theme, comparison } = panel;
  const { point, choose, setBusy, isTableOpen } = panel;
  const [visible, setVisible] = useState<Window | null>(null);

  const isOneText = comparison?.kind === 'model';
  const rows = useMemo(() => alignTokens(queries, other.queries, isOneText), [queries, other.queries, isOneText]);
  const columns = useMemo(
    () => (queries === keys && other.queries === other.keys ? rows : alignTokens(keys, other.keys, isOneText)),
    [queries, keys, other.queries, other.keys, isOneText, rows],
  );
  const isSame = rows.isSame && columns.isSame;
  const size = useMemo(
    () => ({ rows: rows.places.length, columns: columns.places.length }),
    [rows.places, columns.places],
  );
  const wanted = useMemo(() => {
    const all: Window = { rows: [0, size.rows], columns: [0, size.columns] };
    if (isSame) return tileRequest(size, visible ?? all);
    const window = size.rows * size.columns <= wholeLimit ? all : (visible ?? all);
    const cut = ([from, to]: readonly [number, number]) => [from, Math.min(to, from + mostPlaces)] as const;
    return { rows: cut(window.rows), columns: cut(window.columns), size: null };
  }, [isSame, size, visible]);
  const questions = useMemo(() => {
    const question = (of: View, side: 'a' | 'b', queryCount: number, keyCount: number) => {
      const r = sideOf(rows.places, wanted.rows, side, queryCount);
      const c = sideOf(columns.places, wanted.columns, side, keyCount);
      return {
        view: of,
        rows: r,
        columns: c,
        size: wanted.size ?? ([r[1] - r[0], c[1] - c[0]] as const),
        pooling: 'max' as const,
        exact: true,
        ...(side === 'b' && comparison ? { side: 'other' as const } : {}),
      };
    };
    return [
      question(view, 'a', queries.length, keys.length),
      question(other.view, 'b', other.queries.length, other.keys.length),
    ] as const;
  }, [rows, columns, wanted, view, other, queries.length, keys.length, comparison]);
  const answers = useQuestions(transport, 'tile', questions, generation);
  useEffect(() => setBusy(answers.isWaiting), [answers.isWaiting, setBusy]);

  const pair = useMemo((): Pair | null => {
    const [first, second] = answers.value ?? [];
    if (first?.result.version !== version || second?.result.version !== other.version) return null;
    // Answers to what was asked before lie in other places.
    if (JSON.stringify([first.params, second.params]) !== JSON.stringify(questions)) return null;
    return compare(toTile(first.params, first.result), toTile(second.params, second.result), rows, columns, wanted);
  }, [answers.value, version, other.version, questions, rows, columns, wanted]);
  const last = useRef<Pair | null>(null);
  if (pair) last.current = pair;
  const drawn = pair ?? last.current;

  const names = useMemo(
    () => ({ a: isOneText ? model.name : t('thisText'), b: other.name }),
    [isOneText, model, other],
  );
  const shownRows = drawn?.rows ?? rows;
  const shownColumns = drawn?.columns ?? columns;
  const rowLabels = useMemo(() => labelsOf(shownRows, queries, other.queries), [shownRows, queries, other.queries]);
  const columnLabels = useMemo(() => labelsOf(shownColumns, keys, other.keys), [shownColumns, keys, other.keys]);
  const paint = useMemo(
    (): Paint => ({
      colors: differenceTable(theme.isLight),
      scale: settings.scale,
      max: drawn?.difference.max ?? 0,
      isSigned: true,
    }),
    [theme.isLight, settings.scale, drawn],
  );
  const chosenRow = useMemo(() => {
    const place = query === null ? -1 : shownRows.places.findIndex(({ a }) => a === query);
    return place < 0 ? null : place;
  }, [shownRows, query]);

  if (answers.problem) return <NoPicture problem={answers.problem} />;
  if (!drawn) return <Loading />;
  const placesOf = ({ row, column }: Cell) => [shownRows.places[row], shownColumns.places[column]] as const;
  /** Undefined where a text has no such pair, null where the tile is pooled. */
  const weightsOf = (cell: Cell) => {
    const [row, column] = placesOf(cell);
    const weight = (tile: Tile, query: number | null | undefined, key: number | null | undefined) =>
      typeof query === 'number' && typeof key === 'number' ? weightAt(tile, query, key) : undefined;
    return { inA: weight(drawn.a, row?.a, column?.a), inB: weight(drawn.b, row?.b, column?.b) };
  };
  const differenceOf = (cell: Cell): number | null => {
    const { inA, inB } = weightsOf(cell);
    return typeof inA === 'number' && typeof inB === 'number' ? inA - inB : null;
  };
  const nameAt = (row: number): string => rowLabels[row]?.text ?? '';
  const describe = (cell: Cell): string => {
    const [row, column] = placesOf(cell);
    if (!row || !column) return '';
    const looking = tokenOf(row, queries, other.queries);
    const looked = tokenOf(column, keys, other.keys);
    const { inA, inB } = weightsOf(cell);
    if (!looking || !looked || inA === null || inB === null) return '';
    const pairName = [labelOf(looking), labelOf(looked)] as const;
    if (inA !== undefined && inB !== undefined) {
      return t('cellDifference', ...pairName, formatWeight(inA), formatWeight(inB), signed(inA - inB));
    }
    const weight = inA ?? inB;
    if (weight === undefined) return t('cellInNeither', ...pairName);
    return t('cellInOne', ...pairName, formatWeight(weight), inA === undefined ? names.b : names.a);
  };
  const toA = (cell: Cell | null) => {
    const [row, column] = cell ? placesOf(cell) : [];
    const mark = { row: row?.a ?? null, column: column?.a ?? null };
    return mark.row === null && mark.column === null ? null : mark;
  };
  const { onlyA, onlyB } = shownRows === shownColumns ? shownRows : sum(shownRows, shownColumns);
  const hint = [
    ...(onlyA + onlyB > 0 ? [t('tokensOnly', onlyA, names.a, onlyB, names.b)] : []),
    ...(isPooled(drawn.difference) ? [] : [t('elsewhere', Math.round(100 * drawn.elsewhere))]),
  ].join(' ');
  const sameHead = view.layer === other.view.layer && view.head === other.view.head && view.heads === other.view.heads;
  return (
    <>
      <div class="content">
        <MatrixPlot
          name={t('differenceMatrix')}
          rows={rowLabels}
          columns={columnLabels}
          tile={drawn.difference}
          paint={paint}
          theme={theme}
          row={chosenRow}
          {...(isSame ? {} : { smallest: smallestCell })}
          hint={hint}
          describe={describe}
          csv={() => pairCsv(drawn, [queries, other.queries], [keys, other.keys])}
          onVisible={setVisible}
          onPoint={cell => point(toA(cell))}
          onChoose={cell => {
            const mark = toA(cell);
            if (mark) choose(mark);
          }}
        />
        {isTableOpen && (
          <DataTable
            caption={t('tableCaption', nameAt(chosenRow ?? 0))}
            isWide
            rows={shownColumns.places.map((_, column) => ({ row: chosenRow ?? 0, column }))}
            keyOf={({ column }) => column}
            sortedBy={4}
            columns={[
              { label: t('token'), value: ({ column }) => columnLabels[column]?.text ?? '', isHeading: true },
              { label: t('position'), value: ({ column }) => column, isAscending: true },
              { label: names.a, value: cell => weightsOf(cell).inA ?? 0, cell: cell => numberOf(weightsOf(cell).inA) },
              { label: names.b, value: cell => weightsOf(cell).inB ?? 0, cell: cell => numberOf(weightsOf(cell).inB) },
              {
                label: t('difference'),
                value: cell => Math.abs(differenceOf(cell) ?? 0),
                cell: cell => {
                  const difference = differenceOf(cell);
                  return difference === null ? '' : signed(difference);
                },
              },
            ]}
            isDimmed={({ column }) => columnLabels[column]?.isDimmed ?? false}
            onPoint={cell => point(toA(cell))}
            onChoose={cell => {
              const mark = toA(cell);
              if (mark) choose(mark);
            }}
          />
        )}
      </div>
      <Footer
        max={drawn.difference.max}
        label={
          comparison
            ? `${names.a} − ${names.b} · ${viewLabel(view)}${sameHead ? '' : ` − ${viewLabel(other.view)}`}`
            : `${viewLabel(view)} − ${viewLabel(other.view)}`
        }
        difference={paint.colors}
      />
    </>
  );
}

function nameOf(comparison: Comparison | null, model: ModelSummary): string {
  switch (comparison?.kind) {
    case 'saved':
      return t('savedFile');
    case 'head':
      return t('committedFile');
    case 'text':
      return `${comparison.target.name}:${comparison.target.range.start.line + 1}`;
    case 'model':
      // Until the model has answered, the name that it was asked for by.
      return comparison.model.endsWith(model.name) ? model.name : (comparison.model.split(/[\\/]/).at(-1) ?? '');
    default:
      return t('anotherHead');
  }
}

/** Empty where a text has no such pair. */
const numberOf = (weight: number | null | undefined): string =>
  weight === undefined ? '' : weight === null ? '…' : formatWeight(weight);

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${formatWeight(Math.abs(value))}`;

const sum = (rows: TokenAlignment, columns: TokenAlignment) => ({
  onlyA: rows.onlyA + columns.onlyA,
  onlyB: rows.onlyB + columns.onlyB,
});

const tokenOf = ({ a, b }: Aligned, first: readonly Token[], second: readonly Token[]): Token | undefined =>
  a === null ? (b === null ? undefined : second[b]) : first[a];

/** What only one text has is said by a sign, as in a difference of files. */
const labelsOf = ({ places }: TokenAlignment, first: readonly Token[], second: readonly Token[]) =>
  places.map(place => {
    const token = tokenOf(place, first, second);
    const text = token ? labelOf(token) : '';
    const isInBoth = place.a !== null && place.b !== null;
    return {
      text: isInBoth ? text : `${place.a === null ? '−' : '+'} ${text}`,
      isDimmed: isInBoth && (token?.special ?? false),
    };
  });

function compare(a: Tile, b: Tile, rows: TokenAlignment, columns: TokenAlignment, window: Window): Pair {
  const isSame = rows.isSame && columns.isSame;
  // Without a difference in tokens the places are the tokens themselves, also where a tile is pooled.
  const shape = isSame ? a.shape : ([window.rows[1] - window.rows[0], window.columns[1] - window.columns[0]] as const);
  const values = new Float32Array(shape[0] * shape[1]);
  let comparedRows = 0;
  let sum = 0;
  let max = 0;
  const put = (index: number, value: number) => {
    values[index] = value;
    sum += Math.abs(value);
    max = Math.max(max, Math.abs(value));
  };
  if (isSame) {
    if (a.values.length !== b.values.length) throw new Error('The two matrices differ in size.');
    for (const [index, weight] of a.values.entries()) put(index, weight - (b.values[index] ?? 0));
    comparedRows = a.shape[0];
  } else {
    for (let r = 0; r < shape[0]; r++) {
      const row = rows.places[window.rows[0] + r];
      // A token that only one text has looks somewhere, but there is nothing to compare that with.
      if (!row || row.a === null || row.b === null) continue;
      comparedRows++;
      for (let c = 0; c < shape[1]; c++) {
        const column = columns.places[window.columns[0] + c];
        if (!column) continue;
        const weightA = column.a === null ? 0 : (weightAt(a, row.a, column.a) ?? 0);
        const weightB = column.b === null ? 0 : (weightAt(b, row.b, column.b) ?? 0);
        put(r * shape[1] + c, weightA - weightB);
      }
    }
  }
  const difference: Tile = { rows: window.rows, columns: window.columns, shape, values, max };
  return { a, b, difference, rows, columns, elsewhere: sum / 2 / Math.max(1, comparedRows) };
}

type Both = readonly [a: readonly Token[], b: readonly Token[]];

function pairCsv({ a, b, difference, rows, columns }: Pair, queries: Both, keys: Both): string {
  const exact = (weight: number | null) => (weight === null ? '' : Number(weight.toPrecision(7)));
  function* lines(): Generator<readonly (string | number)[]> {
    yield [
      ...['query_a', 'query_b', 'query_token', 'key_a', 'key_b', 'key_token'],
      ...['weight_a', 'weight_b', 'difference'],
    ];
    for (let r = difference.rows[0]; r < difference.rows[1]; r++) {
      for (let c = difference.columns[0]; c < difference.columns[1]; c++) {
        const [row, column] = [rows.places[r], columns.places[c]];
        if (!row || !column) continue;
        const weightA = row.a === null || column.a === null ? null : weightAt(a, row.a, column.a);
        const weightB = row.b === null || column.b === null ? null : weightAt(b, row.b, column.b);
        if (weightA === null && weightB === null) continue;
        yield [
          ...[row.a ?? '', row.b ?? '', tokenOf(row, ...queries)?.text ?? ''],
          ...[column.a ?? '', column.b ?? '', tokenOf(column, ...keys)?.text ?? ''],
          ...[
            exact(weightA),
            exact(weightB),
            exact(row.a !== null && row.b !== null ? (weightA ?? 0) - (weightB ?? 0) : null),
          ],
        ];
      }
    }
  }
  return csv(lines());
}

import { hcl } from 'd3-color';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Pick, type View, withHead } from '../../shared/protocol.js';
import { scaled } from '../color-maps.js';
import { DataTable } from '../data-table.js';
import { csv, flatten, useExporter } from '../export.js';
import { Footer } from '../footer.js';
import { headHue, strongest } from '../lines.js';
import { resize } from '../matrix-painter.js';
import type { Label } from '../matrix-plot.js';
import { Failure, Loading } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import { type Surface, SvgSurface } from '../svg-surface.js';
import type { Theme } from '../theme.js';
import { labelOf, toLabel } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestions } from '../use-question.js';
import { useSize } from '../use-size.js';
import { viewLabel } from '../view-label.js';
import { VirtualGrid } from '../virtual-grid.js';
import { nameOf } from './key-table.js';

const rowHeight = 20;
/** Rows are asked for in blocks, so that scrolling a little asks nothing. */
const blockRows = 64;
const defaultShare = 0.7;

type Side = 'query' | 'key';
interface Focus {
  readonly side: Side;
  readonly index: number;
}
type Pair = 'all' | '00' | '01' | '10' | '11';

/** Tokens in two columns, with lines between them: what looks where, and what is looked at from where. */
export function HeadView() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, stack, view, settings, theme, query, point, setBusy } = panel;
  const { choose, isTableOpen } = panel;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [outer, frame, setFrame] = useSize<HTMLDivElement>();
  const [scroll, setScroll] = useState(0);
  const [extraHeads, setExtraHeads] = useState<readonly number[]>([]);
  const [share, setShare] = useState(defaultShare);
  const [hovered, setHovered] = useState<Focus | null>(null);
  const [selected, setSelected] = useState<readonly Focus[]>([]);
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  const [isFocused, setFocused] = useState(false);
  const [pair, setPair] = useState<Pair>('all');

  const heads: readonly Pick[] = useMemo(
    () => (extraHeads.length > 0 ? extraHeads : [view.head]),
    [extraHeads, view.head],
  );
  // Another text has other tokens under the same numbers.
  useEffect(() => {
    setSelected([]);
    setHovered(null);
  }, [queries, keys]);

  const count = Math.max(queries.length, keys.length);
  const from = Math.max(0, Math.floor(scroll / rowHeight / blockRows) * blockRows);
  const to = Math.min(queries.length, (Math.ceil((scroll + outer.height) / rowHeight / blockRows) + 1) * blockRows);
  const focused = useMemo<readonly Focus[]>(() => {
    if (hovered) return [hovered];
    if (isFocused) return [{ side: active.column === 0 ? 'query' : 'key', index: active.row }];
    if (selected.length > 0) return selected;
    return query === null ? [] : [{ side: 'query', index: query }];
  }, [hovered, isFocused, active, selected, query]);

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

  const drawnLines = useMemo(() => linesOf(bundles), [bundles]);
  const scene: Scene = {
    width: outer.width,
    height: outer.height,
    scroll,
    queries: queries.map(toLabel),
    keys: keys.map(toLabel),
    bundles,
    focused,
    selected,
    colorOf: head => headColor(head, stack.heads, theme),
    scale: settings.scale,
    theme,
  };
  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element || outer.width === 0) return;
    resize(element, outer, window.devicePixelRatio);
    const context = element.getContext('2d');
    if (!context) return;
    context.setTransform(window.devicePixelRatio, 0, 0, window.devicePixelRatio, 0, 0);
    context.clearRect(0, 0, outer.width, outer.height);
    draw(context, scene);
  });
  useExporter({
    svg: () => {
      const surface = new SvgSurface();
      draw(surface, scene);
      return surface.toSvg(outer.width, Math.min(outer.height, count * rowHeight), theme.background);
    },
    png: () => (canvas.current ? flatten([{ canvas: canvas.current, x: 0, y: 0 }], theme.background) : ''),
    csv: () =>
      csv([
        ['head', 'query', 'query_token', 'key', 'key_token', 'weight'],
        ...drawnLines.map(({ head, query, key, weight }) => {
          const names = [query, queries[query]?.text ?? '', key, keys[key]?.text ?? ''];
          return [head, ...names, Number(weight.toPrecision(7))];
        }),
      ]),
  });

  // The editor's cursor leads the eye: its token is scrolled to.
  useEffect(() => {
    if (query === null || !frame) return;
    const y = query * rowHeight;
    if (y < frame.scrollTop || y + rowHeight > frame.scrollTop + frame.clientHeight) {
      frame.scrollTo({ top: y - frame.clientHeight / 2 });
    }
  }, [query, frame]);

  const focusAt = (event: MouseEvent): Focus | null => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return null;
    const index = Math.floor((event.clientY - box.top + scroll) / rowHeight);
    const { leftEdge, rightEdge } = columnsOf(outer.width);
    const x = event.clientX - box.left;
    const side = x < leftEdge + 12 ? 'query' : x > rightEdge - 12 ? 'key' : null;
    if (!side || index >= (side === 'query' ? queries : keys).length) return null;
    return { side, index };
  };
  const hover = (focus: Focus | null) => {
    if (focus?.side === hovered?.side && focus?.index === hovered?.index) return;
    setHovered(focus);
    point(
      focus && { row: focus.side === 'query' ? focus.index : null, column: focus.side === 'key' ? focus.index : null },
    );
  };
  const toggle = (focus: Focus | null) => {
    if (!focus) return;
    setSelected(now => {
      const rest = now.filter(other => other.side !== focus.side || other.index !== focus.index);
      return rest.length < now.length ? rest : [...rest.filter(other => other.side === focus.side), focus];
    });
  };

  if (rows.problem) return <Failure message={rows.problem.message} />;
  if (!rows.value) return <Loading />;
  const kept = bundles.length === 0 ? 1 : bundles.reduce((sum, bundle) => sum + bundle.kept, 0) / bundles.length;
  const lineCount = bundles.reduce((sum, bundle) => sum + bundle.indices.length, 0);
  const percent = (value: number) => Math.round(value * 100);
  const hasPair = new Set(queries.map(token => token.typeId)).size > 1;
  const activeFocus: Focus = { side: active.column === 0 ? 'query' : 'key', index: active.row };
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
        <VirtualGrid
          class="grid lines"
          label={t('linesName')}
          rows={count}
          columns={2}
          active={active}
          description={describe(activeFocus, bundles, queries.map(labelOf), keys.map(labelOf))}
          pageRows={Math.max(1, Math.floor(outer.height / rowHeight) - 1)}
          onMove={cell => {
            setHovered(null);
            setActive(cell);
            frame?.scrollTo({ top: Math.max(0, cell.row * rowHeight - outer.height / 2) });
          }}
          onEnter={() => toggle(activeFocus)}
          onFocus={setFocused}
          onKey={key => {
            if (key === 'Escape') setSelected([]);
            return key === 'Escape';
          }}
          elementRef={setFrame}
          onScroll={setScroll}
        >
          <canvas
            ref={canvas}
            class="sticky"
            onPointerMove={event => hover(focusAt(event))}
            onPointerLeave={() => hover(null)}
            onClick={event => toggle(focusAt(event))}
          />
          <div class="spacer" style={{ height: `${Math.max(0, count * rowHeight - outer.height)}px` }} />
        </VirtualGrid>
        {isTableOpen && (
          <DataTable
            caption={t('linesName')}
            isWide={heads.length > 1}
            rows={drawnLines}
            keyOf={({ head, query, key }) => `${head}/${query}/${key}`}
            sortedBy={heads.length > 1 ? 3 : 2}
            columns={[
              { label: t('queryToken'), value: ({ query }) => nameOf(queries, query), isHeading: true },
              { label: t('keyToken'), value: ({ key }) => nameOf(keys, key) },
              ...(heads.length > 1
                ? [
                    {
                      label: t('head'),
                      value: ({ head }: DrawnLine) => (head === 'mean' ? -1 : head),
                      isAscending: true,
                    },
                  ]
                : []),
              { label: t('weight'), value: ({ weight }) => weight, cell: ({ weight }) => formatWeight(weight) },
            ]}
            onPoint={line => point(line && { row: line.query, column: line.key })}
            onChoose={({ query, key }) => choose({ row: query, column: key })}
          />
        )}
      </div>
      <div class="readout" data-testid="readout">
        {focused[0]
          ? describe(focused[0], bundles, queries.map(labelOf), keys.map(labelOf))
          : t('massDrawn', percent(kept), lineCount, 100 - percent(kept))}
      </div>
      <Footer
        label={`${viewLabel({ ...view, head: heads.length === 1 ? (heads[0] ?? 'mean') : 'mean' })}${heads.length > 1 ? ` (${t('heads')}: ${heads.join(', ')})` : ''}`}
      />
    </>
  );
}

/** A line between two columns, with its number. */
interface DrawnLine {
  readonly head: Pick;
  readonly query: number;
  readonly key: number;
  readonly weight: number;
}

const linesOf = (bundles: readonly Bundle[]): DrawnLine[] =>
  bundles.flatMap(({ head, side, index, weights, indices }) =>
    indices.map(other => ({
      head,
      ...(side === 'query' ? { query: index, key: other } : { query: other, key: index }),
      weight: weights[other] ?? 0,
    })),
  );

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

function columnsOf(width: number): { leftEdge: number; rightEdge: number } {
  const column = Math.min(190, width * 0.32);
  // The lines need some room, but a wide panel should not tear the columns apart.
  const gap = Math.min(420, width - 2 * column);
  const margin = Math.max(0, (width - 2 * column - gap) / 2);
  return { leftEdge: margin + column, rightEdge: margin + column + gap };
}

interface Scene {
  readonly width: number;
  readonly height: number;
  readonly scroll: number;
  readonly queries: readonly Label[];
  readonly keys: readonly Label[];
  readonly bundles: readonly Bundle[];
  readonly focused: readonly Focus[];
  readonly selected: readonly Focus[];
  readonly colorOf: (head: Pick) => string;
  readonly scale: Parameters<typeof scaled>[2];
  readonly theme: Theme;
}

function draw(context: Surface, scene: Scene): void {
  const { width, height, scroll, theme, bundles, focused } = scene;
  const { leftEdge, rightEdge } = columnsOf(width);
  const yOf = (index: number) => index * rowHeight + rowHeight / 2 - scroll;
  const isSeen = (y: number) => y > -rowHeight && y < height + rowHeight;

  // Sums of what each token on the other side gets from the focused ones: the bars behind the words.
  const sums = { query: new Map<number, number>(), key: new Map<number, number>() };
  context.lineCap = 'round';
  for (const { head, side, index, weights, indices } of bundles) {
    context.strokeStyle = scene.colorOf(head);
    for (const other of indices) {
      const weight = weights[other] ?? 0;
      const [query, key] = side === 'query' ? [index, other] : [other, index];
      const [y1, y2] = [yOf(query), yOf(key)];
      if (!isSeen(y1) && !isSeen(y2)) continue;
      const strength = scaled(weight, 1, scene.scale);
      context.globalAlpha = 0.08 + 0.92 * strength;
      context.lineWidth = 0.6 + 3 * strength;
      context.beginPath();
      context.moveTo(leftEdge + 6, y1);
      const bend = (rightEdge - leftEdge) / 2;
      context.bezierCurveTo(leftEdge + bend, y1, rightEdge - bend, y2, rightEdge - 6, y2);
      context.stroke();
    }
    if (focused.length === 0) continue;
    const target = side === 'query' ? sums.key : sums.query;
    for (const [other, weight] of weights.entries()) {
      if (weight > 0) target.set(other, (target.get(other) ?? 0) + weight);
    }
  }
  context.globalAlpha = 1;

  const heads = new Set(bundles.map(bundle => bundle.head)).size || 1;
  const isFocus = (side: Side, index: number) => focused.some(focus => focus.side === side && focus.index === index);
  const isKept = (side: Side, index: number) =>
    scene.selected.some(focus => focus.side === side && focus.index === index);
  context.textBaseline = 'middle';
  const column = (side: Side, labels: Scene['queries'], x: number, direction: -1 | 1) => {
    const sum = sums[side];
    const max = Math.max(0, ...sum.values());
    const first = Math.max(0, Math.floor(scroll / rowHeight));
    const last = Math.min(labels.length, Math.ceil((scroll + height) / rowHeight));
    for (let index = first; index < last; index++) {
      const label = labels[index];
      if (!label) continue;
      const y = yOf(index);
      const weight = sum.get(index) ?? 0;
      const room = (direction < 0 ? leftEdge : width - rightEdge) - 12;
      if (weight > 0 && max > 0) {
        context.globalAlpha = theme.isHighContrast ? 0.35 : 0.3;
        context.fillStyle = scene.theme.key;
        const length = Math.min(room, 150) * (weight / max);
        context.fillRect(direction < 0 ? x - length : x, y - rowHeight / 2 + 2, length, rowHeight - 4);
        context.globalAlpha = 1;
      }
      const marked = isFocus(side, index);
      context.font = `${marked ? 'bold ' : ''}12px ${theme.font}`;
      context.fillStyle = marked ? theme.query : label.isDimmed ? theme.dimmed : theme.foreground;
      context.textAlign = direction < 0 ? 'right' : 'left';
      context.fillText(label.text, x + direction * 4, y, room - 8);
      if (isKept(side, index)) {
        const textWidth = Math.min(room - 8, context.measureText(label.text).width);
        context.strokeStyle = theme.query;
        context.lineWidth = 1;
        context.strokeRect(
          direction < 0 ? x - textWidth - 8 : x,
          y - rowHeight / 2 + 1.5,
          textWidth + 8,
          rowHeight - 3,
        );
      }
      if (weight / heads >= 0.05 && focused.length > 0) {
        const textWidth = context.measureText(label.text).width;
        context.font = `11px ${theme.font}`;
        context.fillStyle = theme.dimmed;
        const number = formatWeight(weight / heads / Math.max(1, focused.length));
        context.fillText(number, x + direction * (textWidth + 12), y);
      }
    }
  };
  column('query', scene.queries, leftEdge, -1);
  column('key', scene.keys, rightEdge, 1);
}

/** The focused token and its five strongest partners, heads taken together. */
function describe(
  focus: Focus,
  bundles: readonly Bundle[],
  queries: readonly string[],
  keys: readonly string[],
): string {
  const mine = bundles.filter(({ side, index }) => side === focus.side && index === focus.index);
  const isQuery = focus.side === 'query';
  const name = (isQuery ? queries : keys)[focus.index] ?? '';
  const sum = new Float32Array(mine[0]?.weights.length ?? 0);
  for (const { weights } of mine) {
    for (const [index, weight] of weights.entries()) sum[index] = (sum[index] ?? 0) + weight / mine.length;
  }
  const partners = strongest(sum, 1)
    .indices.slice(0, 5)
    .map(index => `“${(isQuery ? keys : queries)[index] ?? ''}” ${formatWeight(sum[index] ?? 0)}`);
  return t(isQuery ? 'attendsTo' : 'attendedBy', name, partners.join(', ') || '…');
}

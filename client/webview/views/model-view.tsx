import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  formatProfile,
  type Head,
  headsOf,
  measureOf,
  measuresOf,
  type ProfileName,
  patternOf,
} from '../../shared/profiles.js';
import { headsOfSet, type View, withHead } from '../../shared/protocol.js';
import { prepare } from '../canvas.js';
import { colorTable, levels, scaled } from '../color-maps.js';
import { csv, toPng, useExporter } from '../export.js';
import { findHeads, readWanted } from '../find-heads.js';
import { Footer } from '../footer.js';
import { drawAxes, outline } from '../head-grid.js';
import { Loading, NoPicture } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { type Option, Select } from '../select.js';
import { t } from '../strings.js';
import { SvgSurface } from '../svg-surface.js';
import type { Theme } from '../theme.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';
import { useSize } from '../use-size.js';
import { viewLabel } from '../view-label.js';
import { VirtualGrid } from '../virtual-grid.js';
import { HeadTable } from './head-table.js';

/** Bytes per thumbnail are its square; 64 keeps 12 x 12 heads under 600 kB. */
const maxThumbnail = 64;
const gap = 6;
const gutter = 34;
const caption = 16;
const minEdge = 30;
const maxEdge = 116;

type Order = 'position' | ProfileName;

/** Every head of the model at a glance. */
export function ModelView() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, stack, settings, theme, view, setView, open, setBusy } = panel;
  const { isTableOpen } = panel;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [outer, frame, setFrame] = useSize<HTMLDivElement>();
  const [chosen, setChosen] = useState<Order>('position');
  const [words, setWords] = useState('');
  const [least, setLeast] = useState(0);
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  const [pointed, setPointed] = useState<Head | null>(null);
  const [isFocused, setFocused] = useState(false);

  const size = Math.min(maxThumbnail, Math.max(queries.length, keys.length, 1));
  const answer = useQuestion(
    transport,
    'overview',
    { size, stack: stack.kind, ...(view.changes ? { changes: view.changes } : {}) },
    generation,
  );
  useEffect(() => setBusy(answer.isWaiting), [answer.isWaiting, setBusy]);
  const overview = answer.value;

  const wanted = useMemo(() => readWanted(words), [words]);
  const isLike = wanted.like && wanted.like[0] < stack.layers && wanted.like[1] < stack.heads ? wanted.like : null;
  // Traits come from texts of their own, so they are a question of their own: pictures do not wait for them.
  const traits = useQuestion(
    transport,
    'heads',
    overview ? { stack: stack.kind, ...(isLike ? { like: isLike } : {}) } : null,
    generation,
  ).value;
  const order: Order = wanted.by[0] ?? chosen;
  const all = useMemo(
    () => (overview ? headsOf(overview.profiles, traits?.traits, traits?.likeness) : []),
    [overview, traits],
  );
  const heads = useMemo(() => {
    const found = findHeads(
      all,
      wanted.by.length === 0 && chosen !== 'position' ? { ...wanted, by: [chosen] } : wanted,
    );
    if (order === 'position' || !measureOf(order).isShare) return found;
    return found.filter(({ profile }) => (profile[order] ?? 0) >= least);
  }, [all, wanted, chosen, order, least]);
  const isSorted = order !== 'position' || wanted.layer !== null;

  const width = Math.max(1, outer.width);
  const layout = useMemo(() => {
    const inOrder = !isSorted;
    const left = inOrder ? gutter : 0;
    const wanted = inOrder ? stack.heads : Math.max(1, Math.floor(width / 84));
    const edge = Math.max(minEdge, Math.min(maxEdge, Math.floor((width - left) / wanted) - gap));
    // Heads of a wide model wrap rather than shrink to nothing; then rows are no longer layers.
    const columns = Math.max(1, Math.min(wanted, Math.floor((width - left) / (edge + gap))));
    return {
      left,
      top: inOrder ? 20 : 4,
      edge,
      columns,
      rows: Math.ceil(heads.length / columns),
      isByLayer: inOrder && columns === stack.heads,
    };
  }, [isSorted, stack.heads, width, heads.length]);
  const { left, top, edge, columns, rows } = layout;
  const rowHeight = edge + gap + (layout.isByLayer ? 0 : caption);

  const atlas = useMemo(() => {
    if (!overview) return null;
    return drawAtlas(overview.data, overview.shape, colorTable(settings.colorMap, theme.isLight), settings.scale);
  }, [overview, settings.colorMap, settings.scale, theme.isLight]);

  const indexOf = ({ row, column }: Cell) => row * columns + column;
  const focused = isFocused ? heads[indexOf(active)] : undefined;
  const highlighted = pointed ?? focused ?? null;
  const shown = useMemo(() => shownHeads(view, stack.layers, stack.heads), [view, stack.layers, stack.heads]);

  useLayoutEffect(() => {
    if (!atlas || !overview) return;
    const context = prepare(canvas.current, { width, height: top + rows * rowHeight });
    if (!context) return;
    context.imageSmoothingEnabled = false;
    context.textBaseline = 'middle';
    const [, , height, thumb] = overview.shape;
    for (const [index, head] of heads.entries()) {
      const x = left + (index % columns) * (edge + gap);
      const y = top + Math.floor(index / columns) * rowHeight;
      context.drawImage(atlas, head.head * thumb, head.layer * height, thumb, height, x, y, edge, edge);
      const isShown = shown.includes(nameOf(head));
      if (isShown || head === highlighted) outline(context, x, y, edge, isShown ? theme.query : theme.key);
      if (!layout.isByLayer) drawCaption(context, head, order, x, y + edge + caption / 2, edge, theme);
    }
    if (layout.isByLayer) drawAxes(context, { left, top, edge, pitch: edge + gap }, stack.layers, stack.heads, theme);
  }, [atlas, overview, heads, width, layout, rowHeight, shown, highlighted, theme, order]);

  useExporter({
    png: () => toPng(canvas.current, theme.background),
    csv: () =>
      csv([
        ['layer', 'head', ...measuresOf(all).map(({ name }) => name)],
        ...heads.map(({ layer, head, profile }) => [
          layer,
          head,
          ...measuresOf(all).map(({ name }) => Number((profile[name] ?? 0).toPrecision(7))),
        ]),
      ]),
    svg: () => {
      const surface = new SvgSurface();
      const height = top + rows * rowHeight;
      if (canvas.current) surface.image(canvas.current.toDataURL('image/png'), 0, 0, width, height);
      return surface.toSvg(width, height, theme.background);
    },
  });

  const headAt = (event: MouseEvent): Head | null => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return null;
    const column = Math.floor((event.clientX - box.left - left) / (edge + gap));
    const row = Math.floor((event.clientY - box.top - top) / rowHeight);
    if (column < 0 || column >= columns || row < 0) return null;
    return heads[row * columns + column] ?? null;
  };
  const show = (head: Head | null | undefined) => {
    if (!head) return;
    setView(withHead(view, { layer: head.layer, head: head.head }));
    open('heatmap');
  };
  const toggle = (head: Head | null | undefined) => {
    if (head) setView(withToggled(view, head, shown));
  };
  const moveTo = (cell: Cell) => {
    const index = Math.min(heads.length - 1, indexOf(cell));
    setActive({ row: Math.floor(index / columns), column: index % columns });
    setPointed(null);
    frame?.scrollTo({ top: Math.max(0, Math.floor(index / columns) * rowHeight - outer.height / 2) });
  };

  if (answer.problem) return <NoPicture problem={answer.problem} />;
  if (!overview || (overview.version !== version && !answer.isWaiting && !atlas)) return <Loading />;
  const orders: Option<Order>[] = [
    ['position', t('orderPosition')],
    ...measuresOf(all).map(({ name, label }): Option<Order> => [name, t(label)]),
  ];
  return (
    <>
      <Toolbar picks={[]}>
        <label>
          <span>{t('findHeads')}</span>
          <input
            type="search"
            value={words}
            placeholder={t('findHint')}
            onInput={event => setWords(event.currentTarget.value)}
          />
        </label>
        {view.layer !== 'mean' && view.head !== 'mean' && (
          <button type="button" class="secondary" onClick={() => setWords(`like ${view.layer}.${view.head}`)}>
            {t('likeHead', `${view.layer}·${view.head}`)}
          </button>
        )}
        <Select
          label={t('sortBy')}
          value={order}
          options={orders}
          onChange={next => {
            setWords('');
            setChosen(next);
          }}
        />
        {order !== 'position' && measureOf(order).isShare && (
          <label>
            <span>{t('atLeast')}</span>
            <input
              type="range"
              min="0"
              max="100"
              step="5"
              value={Math.round(least * 100)}
              onInput={event => setLeast(Number(event.currentTarget.value) / 100)}
            />
            <output>{`${Math.round(least * 100)} %`}</output>
          </label>
        )}
        {isSorted && <span class="note">{t('headsShown', heads.length, stack.layers * stack.heads)}</span>}
        {wanted.unknown && (
          <span class="note" role="status">
            {t('findUnknown', wanted.unknown)}
          </span>
        )}
      </Toolbar>
      <div class="content">
        <VirtualGrid
          class="grid scroll"
          elementRef={setFrame}
          label={t('allHeads')}
          rows={Math.max(1, rows)}
          columns={columns}
          active={active}
          description={describe(heads[indexOf(active)], shown)}
          pageRows={Math.max(1, Math.floor(outer.height / rowHeight) - 1)}
          onMove={moveTo}
          onEnter={() => show(heads[indexOf(active)])}
          onFocus={setFocused}
          onKey={key => {
            if (key === ' ') toggle(heads[indexOf(active)]);
            return key === ' ';
          }}
        >
          <canvas
            ref={canvas}
            class="thumbnails"
            onPointerMove={event => setPointed(headAt(event))}
            onPointerLeave={() => setPointed(null)}
            onClick={event => (event.ctrlKey || event.metaKey ? toggle : show)(headAt(event))}
          />
          {heads.length === 0 && <p class="note">{t('noHeads')}</p>}
        </VirtualGrid>
        {isTableOpen && <HeadTable heads={heads} onOpen={show} onPoint={setPointed} />}
      </div>
      <div class="readout" data-testid="readout">
        {describe(highlighted, shown) || t('modelHint')}
      </div>
      <Footer max={t('maxOfHead')} label={t('allHeads')} />
    </>
  );
}

const nameOf = ({ layer, head }: Head) => `${layer}.${head}`;

/** The heads that are shown, as LAYER.HEAD; none where means are shown that are no set of heads. */
const shownHeads = (view: View, layers: number, heads: number): string[] =>
  view.heads !== undefined
    ? headsOfSet(view.heads, layers, heads)
    : view.layer !== 'mean' && view.head !== 'mean'
      ? [`${view.layer}.${view.head}`]
      : [];

/** The view with a head more or less; the last one stays. */
function withToggled(view: View, head: Head, shown: readonly string[]): View {
  const name = nameOf(head);
  const next = shown.includes(name) ? shown.filter(other => other !== name) : [...shown, name];
  if (next.length > 1) return { ...view, layer: 'mean', head: 'mean', heads: next.join(',') };
  const [layer, only] = (next[0] ?? name).split('.').map(Number);
  return withHead(view, { layer: layer ?? head.layer, head: only ?? head.head });
}

function describe(head: Head | null | undefined, shown: readonly string[]): string {
  if (!head) return '';
  const pattern = patternOf(head.profile);
  const facts = measuresOf([head]).map(({ name, label }) => `${t(label)} ${formatProfile(head.profile, name)}`);
  const name = viewLabel({ layer: head.layer, head: head.head }) + (pattern ? ` (${t(pattern.label)})` : '');
  return [name, ...(shown.includes(nameOf(head)) ? [t('headIsShown')] : []), ...facts].join(', ');
}

/** All thumbnails in one picture: layers down, heads across. The bytes of each head are shares of its own maximum. */
function drawAtlas(
  data: ArrayBuffer,
  shape: readonly [number, number, number, number],
  colors: Uint32Array,
  scale: Parameters<typeof scaled>[2],
): HTMLCanvasElement {
  const [layers, heads, rows, columns] = shape;
  const bytes = new Uint8Array(data);
  const atlas = document.createElement('canvas');
  atlas.width = Math.max(1, heads * columns);
  atlas.height = Math.max(1, layers * rows);
  const context = atlas.getContext('2d');
  if (!context || bytes.length === 0) return atlas;
  const image = context.createImageData(atlas.width, atlas.height);
  const words = new Uint32Array(image.data.buffer);
  const word = new Uint32Array(levels);
  for (let value = 0; value < levels; value++) {
    word[value] = colors[Math.round(scaled(value, levels - 1, scale) * (levels - 1))] ?? 0;
  }
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const start = (layer * heads + head) * rows * columns;
      const cells = bytes.subarray(start, start + rows * columns);
      for (let row = 0; row < rows; row++) {
        const line = (layer * rows + row) * atlas.width + head * columns;
        for (let column = 0; column < columns; column++) {
          words[line + column] = word[cells[row * columns + column] ?? 0] ?? 0;
        }
      }
    }
  }
  context.putImageData(image, 0, 0);
  return atlas;
}

function drawCaption(
  context: CanvasRenderingContext2D,
  head: Head,
  order: Order,
  x: number,
  y: number,
  edge: number,
  theme: Theme,
): void {
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.foreground;
  context.textAlign = 'left';
  context.fillText(`${head.layer}·${head.head}`, x, y);
  if (order === 'position') return;
  context.fillStyle = theme.dimmed;
  context.textAlign = 'right';
  context.fillText(formatProfile(head.profile, order), x + edge, y);
}

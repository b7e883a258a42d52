import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type ImageInfo, withHead } from '../../shared/protocol.js';
import { prepare } from '../canvas.js';
import { colorTable, cssColor, levels, scaled } from '../color-maps.js';
import { csv, toPng, useExporter } from '../export.js';
import { Footer } from '../footer.js';
import { drawAxes, outline } from '../head-grid.js';
import { strongest } from '../lines.js';
import { Loading, NoPicture } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { type Placement, patchAt, patchBox, patchOfToken, place, seen, tokenOfPatch } from '../picture.js';
import { formatWeight, t } from '../strings.js';
import { type Surface, SvgSurface } from '../svg-surface.js';
import type { Theme } from '../theme.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';
import { useSize } from '../use-size.js';
import { viewLabel } from '../view-label.js';
import { VirtualGrid } from '../virtual-grid.js';

const defaultOpacity = 0.75;
/** What the model does not see stands back. */
const unseenShade = 0.65;
/** How far the picture goes towards the background behind a full overlay: the colours need room to stand out. */
const wash = 0.45;
/** The pointer rests this long before another patch is asked about (ms). */
const patchDelay = 60;
const classToken = 0;

/** An image with what the class token or a patch attends to on it, beside the same for every layer and head. */
export function ImageView() {
  const { image } = usePanel();
  return image ? <Patches image={image} /> : <Loading />;
}

function Patches({ image }: { readonly image: ImageInfo }) {
  const panel = usePanel();
  const { transport, generation, version, queries, view, setView, query: pinned, isPinned, pin } = panel;
  const { settings, theme, setBusy } = panel;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [outer, , setFrame] = useSize<HTMLDivElement>();
  const [opacity, setOpacity] = useState(defaultOpacity);
  const [pointed, setPointed] = useState<number | null>(null);
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  // Focus alone asks for no patch: then nobody with a keyboard could see the class token.
  const [isMoved, setMoved] = useState(false);

  const query = pointed ?? (isMoved ? tokenOfPatch(image, active.row, active.column) : null) ?? pinned ?? classToken;
  const [asked, setAsked] = useState(query);
  useEffect(() => {
    const timer = window.setTimeout(() => setAsked(query), patchDelay);
    return () => clearTimeout(timer);
  }, [query]);
  const row = useQuestion(transport, 'row', asked < queries.length ? { view, query: asked } : null, generation);
  const picture = usePicture();
  useEffect(() => setBusy(row.isWaiting), [row.isWaiting, setBusy]);

  const drawn = useMemo(() => {
    if (!row.value || !row.asked || row.value.version !== version) return null;
    const weights = new Float32Array(row.value.weights);
    return weights.length === queries.length ? { query: row.asked.query, weights } : null;
  }, [row.value, row.asked, version, queries.length]);
  const max = useMemo(() => (drawn ? drawn.weights.subarray(1).reduce((a, b) => Math.max(a, b), 0) : 0), [drawn]);

  const placement = useMemo(() => place(image, outer), [image, outer]);
  const scene: Scene | null = drawn && {
    image,
    placement,
    weights: drawn.weights,
    max,
    query: drawn.query,
    colors: colorTable(settings.colorMap, theme.isLight),
    scale: settings.scale,
    opacity,
    theme,
  };
  useLayoutEffect(() => {
    const context = outer.width > 0 && prepare(canvas.current, outer);
    if (!context) return;
    const { x, y, scale } = placement;
    if (picture.bitmap) {
      context.filter = `grayscale(${opacity})`;
      context.drawImage(picture.bitmap, x, y, image.width * scale, image.height * scale);
      context.filter = 'none';
    }
    if (scene) drawAttention(context, scene);
  });

  useExporter({
    png: () => toPng(canvas.current, theme.background),
    svg: () => {
      const surface = new SvgSurface();
      const { x, y, scale } = placement;
      if (picture.bitmap) {
        const [width, height] = [image.width * scale, image.height * scale];
        surface.image(pictureUrl(picture.bitmap, width, height, opacity), x, y, width, height);
      }
      if (scene) drawAttention(surface, scene);
      return surface.toSvg(outer.width, outer.height, theme.background);
    },
    ...(drawn && {
      csv: () =>
        csv([
          ['query_row', 'query_column', 'key_row', 'key_column', 'weight'],
          ...Array.from(drawn.weights, (weight, key): (string | number)[] => [
            ...(patchOfToken(image, drawn.query) ?? ['class', 'class']),
            ...(patchOfToken(image, key) ?? ['class', 'class']),
            Number(weight.toPrecision(7)),
          ]),
        ]),
    }),
  });

  if (row.problem) return <NoPicture problem={row.problem} />;
  if (!drawn) return <Loading />;
  const tokenAt = (event: MouseEvent): number | null => {
    const box = canvas.current?.getBoundingClientRect();
    const patch = box && patchAt(image, placement, event.clientX - box.left, event.clientY - box.top);
    return patch ? tokenOfPatch(image, ...patch) : null;
  };
  const keep = (token: number | null) => pin(token === null || token === pinned ? null : token);
  const activeToken = tokenOfPatch(image, active.row, active.column);
  return (
    <>
      <Toolbar picks={['layer', 'head']} hasTable={false}>
        <label>
          <span>{t('overlay')}</span>
          <input
            type="range"
            min="0"
            max="100"
            step="5"
            value={Math.round(opacity * 100)}
            onInput={event => setOpacity(Number(event.currentTarget.value) / 100)}
          />
          <output>{`${Math.round(opacity * 100)} %`}</output>
        </label>
        <button
          type="button"
          class="secondary"
          title={t('selectMethod')}
          onClick={() => transport.send({ type: 'command', command: 'selectMethod' })}
        >
          {t('method', view.method ?? 'raw')}
        </button>
        {isPinned && (
          <button type="button" class="link" onClick={() => pin(null)}>
            {t('backToClassToken')}
          </button>
        )}
      </Toolbar>
      <div class="content">
        <VirtualGrid
          class="grid picture"
          label={t('patches')}
          rows={image.rows}
          columns={image.columns}
          active={active}
          // Spoken from the row that is there: the active patch's own comes a moment later.
          description={describe(image, drawn.query === activeToken ? drawn : null, active)}
          pageRows={Math.max(1, Math.floor(image.rows / 4))}
          onMove={cell => {
            setPointed(null);
            setMoved(true);
            setActive(cell);
          }}
          onEnter={() => keep(activeToken)}
          onFocus={isFocused => {
            if (!isFocused) setMoved(false);
          }}
          onKey={key => {
            if (key === 'Escape') {
              setMoved(false);
              pin(null);
            }
            return key === 'Escape';
          }}
          elementRef={setFrame}
        >
          <canvas
            ref={canvas}
            onPointerMove={event => setPointed(tokenAt(event))}
            onPointerLeave={() => setPointed(null)}
            onClick={event => {
              const token = tokenAt(event);
              const patch = token === null ? null : patchOfToken(image, token);
              if (patch) setActive({ row: patch[0], column: patch[1] });
              setMoved(false);
              keep(token);
            }}
          />
          {picture.problem && <p class="note">{picture.problem}</p>}
        </VirtualGrid>
        <HeadMaps
          image={image}
          query={pinned ?? classToken}
          onChoose={(layer, head) => setView(withHead(view, { layer, head }))}
        />
      </div>
      <div class="readout" data-testid="readout">
        {summary(image, drawn)}
      </div>
      <Footer max={max} label={viewLabel(view)} />
    </>
  );
}

/** The file's own pixels, decoded by the browser, which turns them upright as the server does. */
function usePicture(): { readonly bitmap: ImageBitmap | null; readonly problem: string | null } {
  const { transport, generation } = usePanel();
  const answer = useQuestion(transport, 'picture', {}, generation);
  const [bitmap, setBitmap] = useState<ImageBitmap | null>(null);
  const [isUnreadable, setUnreadable] = useState(false);
  useEffect(() => {
    if (!answer.value) return;
    let isGone = false;
    createImageBitmap(new Blob([answer.value.data], { type: answer.value.type })).then(
      made => {
        if (isGone) made.close();
        else {
          setBitmap(made);
          setUnreadable(false);
        }
      },
      () => setUnreadable(!isGone),
    );
    return () => {
      isGone = true;
    };
  }, [answer.value]);
  const problem = answer.problem?.message ?? (isUnreadable ? t('pictureUnreadable') : null);
  return { bitmap, problem };
}

/** A JPEG of the size on screen: the file itself may be a photograph of many megabytes. */
function pictureUrl(bitmap: ImageBitmap, width: number, height: number, grey: number): string {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.min(bitmap.width, Math.round(2 * width)));
  canvas.height = Math.max(1, Math.min(bitmap.height, Math.round(2 * height)));
  const context = canvas.getContext('2d');
  if (!context) return '';
  context.filter = `grayscale(${grey})`;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.9);
}

interface Scene {
  readonly image: ImageInfo;
  readonly placement: Placement;
  readonly weights: Float32Array;
  readonly max: number;
  readonly query: number;
  readonly colors: Uint32Array;
  readonly scale: Parameters<typeof scaled>[2];
  readonly opacity: number;
  readonly theme: Theme;
}

function drawAttention(context: Surface, scene: Scene): void {
  const { image, placement, weights, max, theme, opacity } = scene;
  const all = seen(image, placement);
  const { x, y, scale } = placement;
  const [width, height] = [image.width * scale, image.height * scale];
  // The strips of the picture around what the model sees.
  context.fillStyle = theme.background;
  context.globalAlpha = unseenShade;
  const [top, bottom] = [Math.max(y, all.y), Math.min(y + height, all.y + all.height)];
  const strips = [
    [x, y, width, top - y],
    [x, bottom, width, y + height - bottom],
    [x, top, all.x - x, bottom - top],
    [all.x + all.width, top, x + width - all.x - all.width, bottom - top],
  ] as const;
  for (const [left, above, w, h] of strips) if (w > 0.5 && h > 0.5) context.fillRect(left, above, w, h);
  context.globalAlpha = wash * opacity;
  context.fillRect(all.x, all.y, all.width, all.height);

  for (let row = 0; row < image.rows; row++) {
    for (let column = 0; column < image.columns; column++) {
      const strength = scaled(weights[tokenOfPatch(image, row, column)] ?? 0, max, scene.scale);
      if (strength === 0) continue;
      const box = patchBox(image, placement, row, column);
      context.globalAlpha = opacity * strength;
      context.fillStyle = cssColor(scene.colors[Math.round(strength * (levels - 1))] ?? 0);
      context.fillRect(box.x, box.y, box.width, box.height);
    }
  }
  context.globalAlpha = 1;
  const patch = patchOfToken(image, scene.query);
  if (!patch) return;
  const box = patchBox(image, placement, ...patch);
  for (const [color, line] of [
    [theme.background, 4],
    [theme.query, 2],
  ] as const) {
    context.strokeStyle = color;
    context.lineWidth = line;
    context.strokeRect(box.x, box.y, box.width, box.height);
  }
}

interface Row {
  readonly query: number;
  readonly weights: Float32Array;
}

const nameOf = (image: ImageInfo, token: number): string => {
  const patch = patchOfToken(image, token);
  return patch ? t('patch', ...patch) : t('classToken');
};

/** What a screen reader says of a patch: where it is, and what it attends to as soon as that is known. */
const describe = (image: ImageInfo, row: Row | null, { row: r, column }: Cell): string =>
  row ? summary(image, row) : t('patch', r, column);

/** The strongest patches of a query, and the share that stays with the class token. */
function summary(image: ImageInfo, { query, weights }: Row): string {
  const patches = weights.slice();
  patches[classToken] = 0;
  const partners = strongest(patches, 1)
    .indices.slice(0, 3)
    .map(index => `${nameOf(image, index)} ${formatWeight(weights[index] ?? 0)}`);
  return t('imageAttendsTo', nameOf(image, query), partners.join(', ') || '…', formatWeight(weights[classToken] ?? 0));
}

const mapGap = 4;
const mapGutter = 20;
const largestMap = 64;
const smallestMap = 14;

interface HeadMapsProps {
  readonly image: ImageInfo;
  readonly query: number;
  readonly onChoose: (layer: number, head: number) => void;
}

/** The query's attention over the patches in each layer (down) and head (across), each with its own scale. */
function HeadMaps({ image, query, onChoose }: HeadMapsProps) {
  const { transport, generation, version, stack, view, settings, theme } = usePanel();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [outer, frame, setFrame] = useSize<HTMLDivElement>();
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  const [isFocused, setFocused] = useState(false);
  const asked = {
    layer: 'mean',
    head: 'mean',
    stack: stack.kind,
    ...(view.method ? { method: view.method } : {}),
  } as const;
  const answer = useQuestion(transport, 'rows', { view: asked, query }, generation);
  const maps = useMemo(() => {
    if (!answer.value || answer.value.version !== version) return null;
    const [layers, heads, keys] = answer.value.shape;
    if (answer.value.data.byteLength !== layers * heads * keys * 4 || layers * heads === 0) return null;
    return { layers, heads, keys, data: new Float32Array(answer.value.data) };
  }, [answer.value, version]);

  const heads = maps?.heads ?? stack.heads;
  const layers = maps?.layers ?? stack.layers;
  const room = Math.max(1, outer.width - mapGutter);
  const edge = Math.max(smallestMap, Math.min(largestMap, Math.floor(room / heads) - mapGap));
  const pitch = edge + mapGap;
  useLayoutEffect(() => {
    if (!maps) return;
    const context = prepare(canvas.current, { width: mapGutter + heads * pitch, height: mapGutter + layers * pitch });
    if (!context) return;
    context.imageSmoothingEnabled = false;
    drawAxes(context, { left: mapGutter, top: mapGutter, edge, pitch }, layers, heads, theme);
    const colors = colorTable(settings.colorMap, theme.isLight);
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const start = (layer * heads + head) * maps.keys;
        const map = drawMap(maps.data.subarray(start + 1, start + maps.keys), image, colors, settings.scale);
        const [x, y] = [mapGutter + head * pitch, mapGutter + layer * pitch];
        context.drawImage(map, x, y, edge, edge);
        const isShown = layer === view.layer && (head === view.head || heads === 1);
        const isActive = isFocused && layer === active.row && head === active.column;
        if (isShown || isActive) outline(context, x, y, edge, isShown ? theme.query : theme.key);
      }
    }
  }, [maps, image, heads, layers, edge, pitch, settings, theme, view, isFocused, active]);

  const cellAt = (event: MouseEvent): Cell | null => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return null;
    const column = Math.floor((event.clientX - box.left - mapGutter) / pitch);
    const row = Math.floor((event.clientY - box.top - mapGutter) / pitch);
    return row >= 0 && row < layers && column >= 0 && column < heads ? { row, column } : null;
  };
  const choose = ({ row, column }: Cell) => onChoose(row, heads === 1 ? 0 : column);
  return (
    <section class="side maps" aria-label={t('allHeads')}>
      <h2>{t('mapsOf', nameOf(image, query))}</h2>
      <VirtualGrid
        class="grid scroll"
        label={t('allHeads')}
        rows={layers}
        columns={heads}
        active={active}
        description={viewLabel({ ...asked, layer: active.row, head: active.column })}
        pageRows={4}
        onMove={cell => {
          setActive(cell);
          frame?.scrollTo({ top: Math.max(0, cell.row * pitch - outer.height / 2) });
        }}
        onEnter={() => choose(active)}
        onFocus={setFocused}
        elementRef={setFrame}
      >
        <canvas
          ref={canvas}
          class="thumbnails"
          onClick={event => {
            const cell = cellAt(event);
            if (cell) choose(cell);
          }}
        />
      </VirtualGrid>
    </section>
  );
}

/** The patches of one head, a pixel each. */
function drawMap(
  weights: Float32Array,
  { rows, columns }: ImageInfo,
  colors: Uint32Array,
  scale: Parameters<typeof scaled>[2],
): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  const image = context.createImageData(columns, rows);
  const words = new Uint32Array(image.data.buffer);
  const max = weights.reduce((a, b) => Math.max(a, b), 0);
  for (const [index, weight] of weights.entries()) {
    words[index] = colors[Math.round(scaled(weight, max, scale) * (levels - 1))] ?? 0;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

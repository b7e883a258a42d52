import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { scaled } from '../color-maps.js';
import { csv, flatten, useExporter } from '../export.js';
import { Footer } from '../footer.js';
import { strongest } from '../lines.js';
import { resize } from '../matrix-painter.js';
import type { Label } from '../matrix-plot.js';
import { Failure, Hint, Loading } from '../notice.js';
import { type Cell, usePanel } from '../panel-context.js';
import { Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import { type Surface, SvgSurface } from '../svg-surface.js';
import type { Theme } from '../theme.js';
import { type Link, type LinkRule, linksOf, type Weights, writtenRows } from '../token-links.js';
import { labelOf, toLabel } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';
import { useSize } from '../use-size.js';
import { viewLabel } from '../view-label.js';
import { VirtualGrid } from '../virtual-grid.js';

const rowHeight = 20;
/** Beyond this many weights one byte each has to do: they are for lines, whose widths show no more. */
const exactLimit = 1 << 22;
/** The share of a token's attention that its lines carry when it is in focus. */
const focusShare = 0.8;

/** The column of the source, at the left, or of the target. */
type Side = 'key' | 'query';
interface Focus {
  readonly side: Side;
  readonly index: number;
}
/** Whether a target token stands for the step that read it, or for the one that wrote it. */
type Step = 'read' | 'written';

/** Source and target of an encoder-decoder side by side, and which tokens belong together. */
export function CrossView() {
  const { stack } = usePanel();
  return stack.kind === 'cross' ? <Alignment /> : <NoTarget />;
}

function NoTarget() {
  const { transport } = usePanel();
  return (
    <Hint message={t('noTarget')}>
      <button type="button" onClick={() => transport.send({ type: 'generate', isOn: true })}>
        {t('writeTarget')}
      </button>
    </Hint>
  );
}

function Alignment() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, view, settings, theme, query, keyAtCursor } = panel;
  const { point, choose, setBusy, isGenerated } = panel;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [outer, frame, setFrame] = useSize<HTMLDivElement>();
  const [scroll, setScroll] = useState(0);
  const [rule, setRule] = useState<LinkRule>('strongest');
  const [step, setStep] = useState<Step>('read');
  const [hovered, setHovered] = useState<Focus | null>(null);
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  const [isFocused, setFocused] = useState(false);
  const { isTableOpen } = usePanel();

  const isExact = queries.length * keys.length <= exactLimit;
  const answer = useQuestion(
    transport,
    'tile',
    {
      view,
      rows: [0, queries.length],
      columns: [0, keys.length],
      size: [queries.length, keys.length],
      pooling: 'max',
      exact: isExact,
    },
    generation,
  );
  useEffect(() => setBusy(answer.isWaiting), [answer.isWaiting, setBusy]);
  const weights = useMemo((): Weights | null => {
    const { value, asked } = answer;
    if (!value || !asked || value.version !== version) return null;
    const [rows, columns] = value.shape;
    if (rows !== queries.length || columns !== keys.length) return null;
    const values = asked.exact
      ? new Float32Array(value.data)
      : Float32Array.from(new Uint8Array(value.data), byte => byte / 255);
    const read: Weights = { queries: rows, keys: columns, values };
    return step === 'read' ? read : writtenRows(read);
  }, [answer.value, answer.asked, version, queries.length, keys.length, step]);
  const last = useRef<Weights | null>(null);
  if (weights) last.current = weights;
  const drawn = weights ?? (last.current?.queries === queries.length ? last.current : null);

  const links = useMemo(
    () =>
      drawn
        ? linksOf(
            drawn,
            rule,
            index => queries[index]?.special === false,
            index => keys[index]?.special === false,
          )
        : [],
    [drawn, rule, queries, keys],
  );
  const labels = useMemo(() => ({ key: keys.map(toLabel), query: queries.map(toLabel) }), [keys, queries]);
  const count = Math.max(queries.length, keys.length);

  const atCursor: Focus | null =
    query !== null
      ? { side: 'query', index: query }
      : keyAtCursor !== null
        ? { side: 'key', index: keyAtCursor }
        : null;
  const activeFocus: Focus = { side: active.column === 0 ? 'key' : 'query', index: active.row };
  const focus = hovered ?? (isFocused ? activeFocus : null) ?? atCursor;

  const scene: Scene | null = drawn && {
    width: outer.width,
    height: outer.height,
    scroll,
    labels,
    links,
    focus: focus && { ...focus, weights: weightsOf(drawn, focus) },
    scale: settings.scale,
    theme,
  };
  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element || !scene || outer.width === 0) return;
    resize(element, outer, window.devicePixelRatio);
    const context = element.getContext('2d');
    if (!context) return;
    context.setTransform(window.devicePixelRatio, 0, 0, window.devicePixelRatio, 0, 0);
    context.clearRect(0, 0, outer.width, outer.height);
    draw(context, scene);
  });
  useExporter({
    ...(scene && {
      svg: () => {
        const surface = new SvgSurface();
        const height = count * rowHeight;
        draw(surface, { ...scene, scroll: 0, height });
        return surface.toSvg(outer.width, height, theme.background);
      },
      png: () => (canvas.current ? flatten([{ canvas: canvas.current, x: 0, y: 0 }], theme.background) : ''),
    }),
    csv: () =>
      csv([
        ['target', 'target_token', 'source', 'source_token', 'weight'],
        ...links.map(({ query, key, weight }) => [
          ...[query, queries[query]?.text ?? '', key, keys[key]?.text ?? ''],
          Number(weight.toPrecision(7)),
        ]),
      ]),
  });

  // The editor's cursor leads the eye: its token is scrolled to.
  useEffect(() => {
    if (!frame || !atCursor) return;
    const y = atCursor.index * rowHeight;
    if (y < frame.scrollTop || y + rowHeight > frame.scrollTop + outer.height) {
      frame.scrollTo({ top: Math.max(0, y - outer.height / 2) });
    }
  }, [atCursor?.side, atCursor?.index, frame, outer.height]);

  if (answer.problem) return <Failure message={answer.problem.message} />;
  if (!drawn || !scene) return <Loading />;
  /** A token and the one that it is linked to, to be marked in the editors. */
  const markOf = ({ side, index }: Focus) => {
    const linked = links.filter(link => link[side] === index).sort((a, b) => b.weight - a.weight)[0];
    return side === 'query'
      ? { row: index, column: linked?.key ?? null }
      : { row: linked?.query ?? null, column: index };
  };
  const hover = (next: Focus | null) => {
    if (next?.side === hovered?.side && next?.index === hovered?.index) return;
    setHovered(next);
    point(next && markOf(next));
  };
  const goTo = ({ side, index }: Focus) =>
    choose(side === 'query' ? { row: index, column: null } : { row: null, column: index });
  const focusAt = (event: PointerEvent | MouseEvent): Focus | null => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return null;
    const index = Math.floor((event.clientY - box.top + scroll) / rowHeight);
    const { left, right } = columnsOf(outer.width);
    const x = event.clientX - box.left;
    const side = x < left + 12 ? 'key' : x > right - 12 ? 'query' : null;
    return side && index < labels[side].length ? { side, index } : null;
  };
  return (
    <>
      <Toolbar picks={['layer', 'head']} hasStack={false}>
        <Select
          label={t('linkRule')}
          value={rule}
          options={[
            ['strongest', t('linkStrongest')],
            ['mutual', t('linkMutual')],
          ]}
          onChange={setRule}
        />
        <Select
          label={t('linkStep')}
          value={step}
          options={[
            ['read', t('stepRead')],
            ['written', t('stepWritten')],
          ]}
          onChange={setStep}
        />
        {isGenerated && (
          <button type="button" class="link" onClick={() => transport.send({ type: 'generate', isOn: false })}>
            {t('dropTarget')}
          </button>
        )}
      </Toolbar>
      <div class="content">
        <div class="plot">
          <div class="columns-head" aria-hidden="true">
            <span style={{ width: `${columnsOf(outer.width).left}px` }}>{t('source')}</span>
            <span style={{ left: `${columnsOf(outer.width).right}px` }}>
              {isGenerated ? t('targetWritten') : t('target')}
            </span>
          </div>
          <VirtualGrid
            class="grid lines"
            label={t('alignmentName')}
            rows={count}
            columns={2}
            active={active}
            description={describe(drawn, activeFocus, labels)}
            pageRows={Math.max(1, Math.floor(outer.height / rowHeight) - 1)}
            onMove={cell => {
              const side = cell.column === 0 ? 'key' : 'query';
              const row = Math.min(cell.row, labels[side].length - 1);
              setHovered(null);
              setActive({ row, column: cell.column });
              point(markOf({ side, index: row }));
              frame?.scrollTo({ top: Math.max(0, row * rowHeight - outer.height / 2) });
            }}
            onEnter={() => goTo(activeFocus)}
            onFocus={focused => {
              setFocused(focused);
              if (!focused) point(null);
            }}
            elementRef={setFrame}
            onScroll={setScroll}
          >
            <canvas
              ref={canvas}
              class="sticky"
              onPointerMove={event => hover(focusAt(event))}
              onPointerLeave={() => hover(null)}
              onClick={event => {
                const at = focusAt(event);
                if (at) goTo(at);
              }}
            />
            <div class="spacer" style={{ height: `${Math.max(0, count * rowHeight - outer.height)}px` }} />
          </VirtualGrid>
        </div>
        {isTableOpen && <AlignmentTable links={links} onPoint={point} />}
      </div>
      <div class="readout" data-testid="readout">
        {focus ? describe(drawn, focus, labels) : t('linksDrawn', links.length, mean(links))}
      </div>
      <Footer label={viewLabel(view)} />
    </>
  );
}

const mean = (links: readonly Link[]): string =>
  formatWeight(links.reduce((sum, { weight }) => sum + weight, 0) / Math.max(1, links.length));

interface AlignmentTableProps {
  readonly links: readonly Link[];
  readonly onPoint: (cell: Cell | null) => void;
}

const firstRows = 100;

/** The links as a table: each target token, and the source token that it is linked to. */
function AlignmentTable({ links, onPoint }: AlignmentTableProps) {
  const { queries, keys } = usePanel();
  const shown = links.slice(0, firstRows);
  const name = (tokens: typeof keys, index: number) => {
    const token = tokens[index];
    return token ? labelOf(token) : '';
  };
  return (
    <section class="side" aria-label={t('table')}>
      <table>
        <caption>{t('alignmentName')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('target')}</th>
            <th scope="col">{t('source')}</th>
            <th scope="col">{t('weight')}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ query, key, weight }) => (
            <tr
              key={query}
              onPointerEnter={() => onPoint({ row: query, column: key })}
              onPointerLeave={() => onPoint(null)}
            >
              <th scope="row">{name(queries, query)}</th>
              <td>{name(keys, key)}</td>
              <td>{formatWeight(weight)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < links.length && <p class="note">{t('showingOf', shown.length, links.length)}</p>}
    </section>
  );
}

/** The weights between a token and all of the other text: a row for a target token, a column for a source token. */
function weightsOf({ queries, keys, values }: Weights, { side, index }: Focus): Float32Array {
  return side === 'query'
    ? Float32Array.from({ length: keys }, (_, key) => values[index * keys + key] ?? 0)
    : Float32Array.from({ length: queries }, (_, query) => values[query * keys + index] ?? 0);
}

/** The token and its five strongest partners. */
function describe(weights: Weights, focus: Focus, labels: Scene['labels']): string {
  const others = labels[focus.side === 'query' ? 'key' : 'query'];
  const values = weightsOf(weights, focus);
  const partners = strongest(values, 1)
    .indices.slice(0, 5)
    .map(index => `“${others[index]?.text ?? ''}” ${formatWeight(values[index] ?? 0)}`);
  const name = labels[focus.side][focus.index]?.text ?? '';
  return t(focus.side === 'query' ? 'attendsTo' : 'attendedBy', name, partners.join(', ') || '…');
}

function columnsOf(width: number): { left: number; right: number } {
  const column = Math.min(190, width * 0.32);
  // The lines need some room, but a wide panel should not tear the columns apart.
  const gap = Math.min(320, width - 2 * column);
  const margin = Math.max(0, (width - 2 * column - gap) / 2);
  return { left: margin + column, right: margin + column + gap };
}

interface Scene {
  readonly width: number;
  readonly height: number;
  readonly scroll: number;
  readonly labels: Readonly<Record<Side, readonly Label[]>>;
  readonly links: readonly Link[];
  readonly focus: (Focus & { readonly weights: Float32Array }) | null;
  readonly scale: Parameters<typeof scaled>[2];
  readonly theme: Theme;
}

function draw(context: Surface, scene: Scene): void {
  const { width, height, scroll, labels, links, focus, theme } = scene;
  const { left, right } = columnsOf(width);
  const yOf = (index: number) => index * rowHeight + rowHeight / 2 - scroll;
  const isSeen = (y: number) => y > -rowHeight && y < height + rowHeight;
  const line = (key: number, query: number, weight: number, color: string, dim: number) => {
    const [y1, y2] = [yOf(key), yOf(query)];
    if (!isSeen(y1) && !isSeen(y2)) return;
    const strength = scaled(weight, 1, scene.scale);
    const bend = (right - left) / 2;
    context.strokeStyle = color;
    context.globalAlpha = dim * (0.15 + 0.85 * strength);
    context.lineWidth = 0.8 + 3 * strength;
    context.beginPath();
    context.moveTo(left + 6, y1);
    context.bezierCurveTo(left + bend, y1, right - bend, y2, right - 6, y2);
    context.stroke();
  };
  context.lineCap = 'round';
  for (const { query, key, weight } of links) line(key, query, weight, theme.foreground, focus ? 0.3 : 0.8);
  if (focus) {
    for (const other of strongest(focus.weights, focusShare).indices) {
      const [key, query] = focus.side === 'query' ? [other, focus.index] : [focus.index, other];
      line(key, query, focus.weights[other] ?? 0, theme.query, 1);
    }
  }
  context.globalAlpha = 1;

  context.textBaseline = 'middle';
  const max = focus ? focus.weights.reduce((a, b) => Math.max(a, b), 0) : 0;
  const column = (side: Side, x: number, direction: -1 | 1) => {
    const room = (direction < 0 ? left : width - right) - 12;
    const first = Math.max(0, Math.floor(scroll / rowHeight));
    const end = Math.min(labels[side].length, Math.ceil((scroll + height) / rowHeight));
    for (let index = first; index < end; index++) {
      const label = labels[side][index];
      if (!label) continue;
      const y = yOf(index);
      const weight = focus && focus.side !== side ? (focus.weights[index] ?? 0) : 0;
      if (weight > 0 && max > 0) {
        context.globalAlpha = theme.isHighContrast ? 0.35 : 0.3;
        context.fillStyle = theme.key;
        const length = Math.min(room, 150) * (weight / max);
        context.fillRect(direction < 0 ? x - length : x, y - rowHeight / 2 + 2, length, rowHeight - 4);
        context.globalAlpha = 1;
      }
      const isMarked = focus?.side === side && focus.index === index;
      context.font = `${isMarked ? 'bold ' : ''}12px ${theme.font}`;
      context.fillStyle = isMarked ? theme.query : label.isDimmed ? theme.dimmed : theme.foreground;
      context.textAlign = direction < 0 ? 'right' : 'left';
      context.fillText(label.text, x + direction * 4, y, room - 8);
      if (weight >= 0.05) {
        const textWidth = context.measureText(label.text).width;
        context.font = `11px ${theme.font}`;
        context.fillStyle = theme.dimmed;
        context.fillText(formatWeight(weight), x + direction * (textWidth + 12), y);
      }
    }
  };
  column('key', left, -1);
  column('query', right, 1);
}

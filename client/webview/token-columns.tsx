import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Scale } from '../shared/panel.js';
import { prepare } from './canvas.js';
import { scaled } from './color-maps.js';
import { toPng, useExporter } from './export.js';
import { strongest } from './lines.js';
import type { Label } from './matrix-plot.js';
import { type Cell, usePanel } from './panel-context.js';
import { formatWeight, t } from './strings.js';
import { type Surface, SvgSurface } from './svg-surface.js';
import type { Theme } from './theme.js';
import { useSize } from './use-size.js';
import { VirtualGrid } from './virtual-grid.js';

const rowHeight = 20;
/** So far from its column a token is still meant by the pointer. */
const reach = 12;
/** From this weight on a token says its number. */
const leastNumber = 0.05;

export type Side = 'query' | 'key';
/** A token in one of the columns. */
export interface Focus {
  readonly side: Side;
  readonly index: number;
}
export const isSame = (a: Focus | null, b: Focus | null): boolean => a?.side === b?.side && a?.index === b?.index;

export type Labels = Readonly<Record<Side, readonly Label[]>>;

export interface ColumnLine {
  readonly query: number;
  readonly key: number;
  readonly weight: number;
  readonly color: string;
  /** Stands back behind others. */
  readonly isFaint?: boolean;
}

interface Drawing {
  readonly sides: readonly [left: Side, right: Side];
  readonly labels: Labels;
  readonly lines: readonly ColumnLine[];
  /** Tokens of one side that stand out. */
  readonly focused: readonly Focus[];
  /** What binds each token of the other side to those in focus, on average: the bars behind the words. */
  readonly weights: ArrayLike<number>;
  /** Tokens in a box. */
  readonly selected?: readonly Focus[];
}

interface TokenColumnsProps extends Drawing {
  readonly name: string;
  readonly titles: Readonly<Record<Side, string>>;
  readonly atCursor: Focus | null;
  /** The lines are those of all tokens, not only of those in sight: a saved picture then holds them all. */
  readonly isWhole: boolean;
  readonly csv: () => string;
  readonly describe: (focus: Focus) => string;
  /** The token under the pointer, else the one that the keyboard is on. */
  readonly onLook: (focus: Focus | null) => void;
  readonly onChoose: (focus: Focus) => void;
  readonly onEscape?: () => void;
  readonly onVisible?: (from: number, to: number) => void;
}

/** Tokens in two columns with lines between them. */
export function TokenColumns(props: TokenColumnsProps) {
  const { sides, labels, titles, atCursor, isWhole, onLook, onChoose, onEscape, onVisible } = props;
  const { settings, theme } = usePanel();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [outer, frame, setFrame] = useSize<HTMLDivElement>();
  const [scroll, setScroll] = useState(0);
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  const hovered = useRef<Focus | null>(null);
  const isByKeyboard = useRef(false);

  const count = Math.max(labels.query.length, labels.key.length);
  const focusOf = ({ row, column }: Cell): Focus => {
    const side = column === 0 ? sides[0] : sides[1];
    return { side, index: Math.min(row, labels[side].length - 1) };
  };
  useEffect(() => onVisible?.(scroll / rowHeight, (scroll + outer.height) / rowHeight), [scroll, outer.height]);

  const scene: Scene = { ...props, ...outer, scroll, scale: settings.scale, theme };
  const { lines, focused, weights, selected } = props;
  // All lines of twelve heads are tens of thousands, and take seconds where no card draws: not once more than what is seen changes.
  useLayoutEffect(() => {
    if (outer.width === 0) return;
    const context = prepare(canvas.current, outer);
    if (context) draw(context, scene);
  }, [sides, labels, lines, focused, weights, selected, outer, scroll, settings.scale, theme]);
  useExporter({
    svg: () => {
      const surface = new SvgSurface();
      const height = isWhole ? count * rowHeight : Math.min(outer.height, count * rowHeight);
      draw(surface, isWhole ? { ...scene, scroll: 0, height } : scene);
      return surface.toSvg(outer.width, height, theme.background);
    },
    png: () => toPng(canvas.current, theme.background),
    csv: props.csv,
  });

  // The editor's cursor leads the eye: its token is scrolled to.
  useEffect(() => {
    if (!frame || !atCursor) return;
    const y = atCursor.index * rowHeight;
    if (y < frame.scrollTop || y + rowHeight > frame.scrollTop + outer.height) {
      frame.scrollTo({ top: Math.max(0, y - outer.height / 2) });
    }
  }, [atCursor?.side, atCursor?.index, frame, outer.height]);

  const focusAt = (event: MouseEvent): Focus | null => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return null;
    const index = Math.floor((event.clientY - box.top + scroll) / rowHeight);
    const { left, right } = columnsOf(outer.width);
    const x = event.clientX - box.left;
    const side = x < left + reach ? sides[0] : x > right - reach ? sides[1] : null;
    return side && index < labels[side].length ? { side, index } : null;
  };
  const hover = (next: Focus | null) => {
    if (isSame(next, hovered.current)) return;
    hovered.current = next;
    onLook(next ?? (isByKeyboard.current ? focusOf(active) : null));
  };
  const moveTo = (cell: Cell) => {
    const focus = focusOf(cell);
    hovered.current = null;
    isByKeyboard.current = true;
    setActive({ row: focus.index, column: cell.column });
    onLook(focus);
    frame?.scrollTo({ top: Math.max(0, focus.index * rowHeight - outer.height / 2) });
  };
  const { left, right } = columnsOf(outer.width);
  return (
    <div class="plot">
      <div class="columns-head" aria-hidden="true">
        <span style={{ width: `${left - 4}px` }}>{titles[sides[0]]}</span>
        <span style={{ left: `${right + 4}px` }}>{titles[sides[1]]}</span>
      </div>
      <VirtualGrid
        class="grid lines"
        label={props.name}
        rows={count}
        columns={2}
        active={active}
        description={props.describe(focusOf(active))}
        pageRows={Math.max(1, Math.floor(outer.height / rowHeight) - 1)}
        onMove={moveTo}
        onEnter={() => onChoose(focusOf(active))}
        onFocus={isFocused => {
          // A click gives the focus, too; what it has chosen must not give way to the cell of the keyboard.
          isByKeyboard.current = isFocused && frame?.matches(':focus-visible') === true;
          if (!hovered.current) onLook(isByKeyboard.current ? focusOf(active) : null);
        }}
        onKey={key => {
          if (key === 'Escape') onEscape?.();
          return key === 'Escape' && onEscape !== undefined;
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
            const focus = focusAt(event);
            if (focus) onChoose(focus);
          }}
        />
        <div class="spacer" style={{ height: `${Math.max(0, count * rowHeight - outer.height)}px` }} />
      </VirtualGrid>
    </div>
  );
}

/** The token and its five strongest partners. */
export function describeFocus({ side, index }: Focus, labels: Labels, weights: ArrayLike<number>): string {
  const others = labels[side === 'query' ? 'key' : 'query'];
  const partners = strongest(weights, 1)
    .indices.slice(0, 5)
    .map(other => `“${others[other]?.text ?? ''}” ${formatWeight(weights[other] ?? 0)}`);
  const name = labels[side][index]?.text ?? '';
  return t(side === 'query' ? 'attendsTo' : 'attendedBy', name, partners.join(', ') || '…');
}

function columnsOf(width: number): { left: number; right: number } {
  const column = Math.min(190, width * 0.32);
  // The lines need some room, but a wide panel should not tear the columns apart.
  const gap = Math.min(380, width - 2 * column);
  const margin = Math.max(0, (width - 2 * column - gap) / 2);
  return { left: margin + column, right: margin + column + gap };
}

interface Scene extends Drawing {
  readonly width: number;
  readonly height: number;
  readonly scroll: number;
  readonly scale: Scale;
  readonly theme: Theme;
}

function draw(context: Surface, scene: Scene): void {
  const { width, height, scroll, sides, labels, lines, focused, weights, selected, theme } = scene;
  const { left, right } = columnsOf(width);
  const yOf = (index: number) => index * rowHeight + rowHeight / 2 - scroll;
  const isSeen = (y: number) => y > -rowHeight && y < height + rowHeight;
  const bend = (right - left) / 2;
  context.lineCap = 'round';
  for (const line of lines) {
    const [y1, y2] = [yOf(line[sides[0]]), yOf(line[sides[1]])];
    if (!isSeen(y1) && !isSeen(y2)) continue;
    const strength = scaled(line.weight, 1, scene.scale);
    context.strokeStyle = line.color;
    context.globalAlpha = (line.isFaint ? 0.3 : 1) * (0.1 + 0.9 * strength);
    context.lineWidth = 0.7 + 3 * strength;
    context.beginPath();
    context.moveTo(left + 6, y1);
    context.bezierCurveTo(left + bend, y1, right - bend, y2, right - 6, y2);
    context.stroke();
  }
  context.globalAlpha = 1;

  context.textBaseline = 'middle';
  let max = 0;
  for (let index = 0; index < weights.length; index++) max = Math.max(max, weights[index] ?? 0);
  const holds = (list: readonly Focus[] | undefined, side: Side, index: number) =>
    list?.some(focus => focus.side === side && focus.index === index) ?? false;
  const column = (side: Side, x: number, direction: -1 | 1) => {
    const room = (direction < 0 ? left : width - right) - 12;
    const first = Math.max(0, Math.floor(scroll / rowHeight));
    const end = Math.min(labels[side].length, Math.ceil((scroll + height) / rowHeight));
    const isOther = focused[0] !== undefined && focused[0].side !== side;
    for (let index = first; index < end; index++) {
      const label = labels[side][index];
      if (!label) continue;
      const y = yOf(index);
      const weight = isOther ? (weights[index] ?? 0) : 0;
      if (weight > 0) {
        context.globalAlpha = theme.isHighContrast ? 0.35 : 0.3;
        context.fillStyle = theme.key;
        const length = Math.min(room, 150) * (weight / max);
        context.fillRect(direction < 0 ? x - length : x, y - rowHeight / 2 + 2, length, rowHeight - 4);
        context.globalAlpha = 1;
      }
      const isMarked = holds(focused, side, index);
      context.font = `${isMarked ? 'bold ' : ''}12px ${theme.font}`;
      context.fillStyle = isMarked ? theme.query : label.isDimmed ? theme.dimmed : theme.foreground;
      context.textAlign = direction < 0 ? 'right' : 'left';
      context.fillText(label.text, x + direction * 4, y, room - 8);
      const textWidth = Math.min(room - 8, context.measureText(label.text).width);
      if (holds(selected, side, index)) {
        context.strokeStyle = theme.query;
        context.lineWidth = 1;
        const start = direction < 0 ? x - textWidth - 8 : x;
        context.strokeRect(start, y - rowHeight / 2 + 1.5, textWidth + 8, rowHeight - 3);
      }
      if (weight >= leastNumber) {
        context.font = `11px ${theme.font}`;
        context.fillStyle = theme.dimmed;
        context.fillText(formatWeight(weight), x + direction * (textWidth + 12), y);
      }
    }
  };
  column(sides[0], left, -1);
  column(sides[1], right, 1);
}

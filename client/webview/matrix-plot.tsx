import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { prepare } from './canvas.js';
import { cssColor, levels, unit } from './color-maps.js';
import { flatten, useExporter } from './export.js';
import { isPooled, type Tile, type Window, weightAt } from './matrix.js';
import { createPainter, type MatrixPainter, type Paint } from './matrix-painter.js';
import type { Cell } from './panel-context.js';
import { t } from './strings.js';
import { type Surface, SvgSurface } from './svg-surface.js';
import type { Theme } from './theme.js';
import { useSize } from './use-size.js';
import {
  type Area,
  clamp,
  fit,
  labelled,
  reveal,
  type Size,
  type Viewport,
  visible,
  zoom,
  zoomTo,
} from './viewport.js';
import { VirtualGrid } from './virtual-grid.js';

export interface Label {
  readonly text: string;
  /** Tokens that the model adds stand back. */
  readonly isDimmed: boolean;
}

interface MatrixPlotProps {
  readonly name: string;
  readonly rows: readonly Label[];
  readonly columns: readonly Label[];
  readonly tile: Tile;
  readonly paint: Paint;
  readonly theme: Theme;
  /** The row that the editor's cursor or a pin has chosen. */
  readonly row: number | null;
  /** Cells are at least so large to begin with; the plot is then moved rather than shrunk. */
  readonly smallest?: number;
  readonly hint: string;
  readonly describe: (cell: Cell) => string;
  readonly csv: (tile: Tile) => string;
  readonly onVisible?: (window: Window) => void;
  readonly onPoint: (cell: Cell | null) => void;
  readonly onChoose: (cell: Cell) => void;
}

interface Drag {
  readonly x: number;
  readonly y: number;
  readonly viewport: Viewport;
  /** A brush selects a block instead of moving the picture. */
  readonly isBrush: boolean;
  moved: boolean;
}

const fontSize = 12;
const labelSpacing = 13;
const labelPadding = 8;
const maxGutter = 140;

/** A matrix with labels: zoom, move, brush, point, by mouse and by keyboard. */
export function MatrixPlot(props: MatrixPlotProps) {
  const { rows, columns, tile, paint, theme, row: chosen, smallest, describe, onVisible, onPoint, onChoose } = props;
  const size: Size = useMemo(() => ({ rows: rows.length, columns: columns.length }), [rows.length, columns.length]);
  const base = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const painter = useRef<MatrixPainter>();
  const drag = useRef<Drag>();
  const [outer, , setFrame] = useSize<HTMLDivElement>();
  const [viewport, setViewport] = useState<Viewport | null>(null);
  const [pointed, setPointed] = useState<Cell | null>(null);
  /** Where the brush was set down, and where it is. */
  const [corners, setCorners] = useState<readonly [from: Cell, to: Cell] | null>(null);
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  const [isFocused, setFocused] = useState(false);

  const left = useMemo(() => measureGutter(rows, theme.font), [rows, theme.font]);
  const top = useMemo(() => measureGutter(columns, theme.font), [columns, theme.font]);
  const area: Area = useMemo(
    () => ({ width: Math.max(1, outer.width - left), height: Math.max(1, outer.height - top) }),
    [outer, left, top],
  );
  const shown = useMemo(
    () => clamp(viewport ?? fit(size, area, smallest), size, area),
    [viewport, size, area, smallest],
  );

  useEffect(() => {
    const rows = visible(shown.row, area.height, shown.cell, size.rows);
    const columns = visible(shown.column, area.width, shown.cell, size.columns);
    onVisible?.({ rows, columns });
  }, [shown, area, size, onVisible]);

  // A new text has other tokens under the same numbers.
  useEffect(() => {
    setActive({ row: 0, column: 0 });
    setPointed(null);
    setCorners(null);
  }, [size]);

  useEffect(() => {
    if (chosen === null) return;
    setActive(cell => ({ row: chosen, column: cell.column }));
    setViewport(now => {
      const fitted = fit(size, area, smallest);
      const next = reveal(now ?? fitted, chosen, null, size, area);
      // Where nothing had to move the picture goes on filling the panel, whatever its size becomes.
      return now === null && next.row === fitted.row && next.column === fitted.column ? null : next;
    });
  }, [chosen, size, area, smallest]);

  useLayoutEffect(() => {
    if (!base.current) return;
    painter.current ??= createPainter(base.current);
    painter.current.draw(tile, paint, shown, area);
  }, [tile, paint, shown, area]);
  useEffect(() => () => painter.current?.dispose(), []);

  const scene: Overlay = { rows, columns, viewport: shown, area, left, top, theme, chosen, cell: null, brush: null };
  const highlighted = pointed ?? (isFocused ? active : null);
  const brush = corners && block(...corners);
  useLayoutEffect(() => {
    const context = prepare(overlay.current, outer);
    if (context) drawOverlay(context, { ...scene, cell: highlighted, brush });
  });
  useExporter({
    svg: () => {
      const surface = new SvgSurface();
      drawCells(surface, tile, paint, scene, base.current);
      drawOverlay(surface, scene);
      const [width, height] = extent(scene);
      return surface.toSvg(left + width, top + height, theme.background);
    },
    png: () => {
      const canvas = document.createElement('canvas');
      const context = prepare(canvas, outer);
      if (context) drawOverlay(context, scene);
      const layers = base.current ? [{ canvas: base.current, x: left, y: top }] : [];
      return flatten([...layers, { canvas, x: 0, y: 0 }], theme.background);
    },
    ...(isPooled(tile) ? {} : { csv: () => props.csv(tile) }),
  });

  const cellAt = useCallback(
    (event: PointerEvent | MouseEvent): Cell | null => {
      const box = overlay.current?.getBoundingClientRect();
      if (!box) return null;
      const x = event.clientX - box.left - left;
      const y = event.clientY - box.top - top;
      const column = Math.floor(shown.column + x / shown.cell);
      const row = Math.floor(shown.row + y / shown.cell);
      return x >= 0 && y >= 0 && row < size.rows && column < size.columns ? { row, column } : null;
    },
    [shown, left, top, size],
  );

  const point = useCallback(
    (cell: Cell | null) => {
      setPointed(before => (before?.row === cell?.row && before?.column === cell?.column ? before : cell));
      onPoint(cell);
    },
    [onPoint],
  );

  const zoomBy = (factor: number, x = area.width / 2, y = area.height / 2) =>
    setViewport(zoom(shown, factor, x, y, size, area));

  const onWheel = (event: WheelEvent) => {
    const box = overlay.current?.getBoundingClientRect();
    if (!box) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) {
      zoomBy(Math.exp(-event.deltaY / 200), event.clientX - box.left - left, event.clientY - box.top - top);
    } else {
      const [dx, dy] = event.shiftKey ? [event.deltaY, event.deltaX] : [event.deltaX, event.deltaY];
      setViewport(
        clamp({ ...shown, row: shown.row + dy / shown.cell, column: shown.column + dx / shown.cell }, size, area),
      );
    }
  };

  const onPointerMove = (event: PointerEvent) => {
    const start = drag.current;
    if (start?.isBrush && event.buttons === 1) {
      const to = cellAt(event);
      if (to) setCorners(now => now && [now[0], to]);
      return;
    }
    if (start && event.buttons === 1) {
      const dx = event.clientX - start.x;
      const dy = event.clientY - start.y;
      if (Math.abs(dx) + Math.abs(dy) > 3) start.moved = true;
      if (start.moved) {
        const { cell, row, column } = start.viewport;
        setViewport(clamp({ cell, row: row - dy / cell, column: column - dx / cell }, size, area));
        return;
      }
    }
    point(cellAt(event));
  };

  const moveTo = (cell: Cell, isExtending: boolean) => {
    setCorners(now => (isExtending ? [now?.[0] ?? active, cell] : null));
    setActive(cell);
    setPointed(null);
    setViewport(reveal(shown, cell.row, cell.column, size, area));
    onPoint(cell);
  };

  const zoomToBrush = ({ rows, columns }: Block) => {
    setViewport(zoomTo(rows, columns, size, area));
    setCorners(null);
  };

  const onKey = (key: string): boolean => {
    const actions: Record<string, () => void> = {
      ...(brush && { Escape: () => setCorners(null) }),
      '+': () => zoomBy(1.5),
      '=': () => zoomBy(1.5),
      '-': () => zoomBy(1 / 1.5),
      '0': () => setViewport(null),
    };
    actions[key]?.();
    return key in actions;
  };

  const onPointerDown = (event: PointerEvent) => {
    const from = event.shiftKey ? cellAt(event) : null;
    drag.current = { x: event.clientX, y: event.clientY, viewport: shown, isBrush: from !== null, moved: false };
    setCorners(from && [from, from]);
    if (event.currentTarget instanceof Element) event.currentTarget.setPointerCapture(event.pointerId);
  };

  const onPointerUp = (event: PointerEvent) => {
    const cell = cellAt(event);
    if (brush) zoomToBrush(brush);
    else if (cell && !drag.current?.moved) {
      setActive(cell);
      onChoose(cell);
    }
    drag.current = undefined;
  };

  return (
    <div class="plot">
      <VirtualGrid
        class="grid"
        label={props.name}
        rows={size.rows}
        columns={size.columns}
        active={active}
        description={brush ? describeBlock(brush, rows, columns) : describe(active)}
        pageRows={Math.max(1, Math.floor(area.height / shown.cell) - 1)}
        onMove={moveTo}
        onEnter={() => (brush ? zoomToBrush(brush) : onChoose(active))}
        onKey={onKey}
        onFocus={focused => {
          setFocused(focused);
          if (focused) return;
          setCorners(null);
          onPoint(null);
        }}
      >
        <div
          class="frame"
          ref={setFrame}
          data-query={chosen ?? ''}
          onWheel={onWheel}
          onPointerDown={onPointerDown}
          onPointerMove={onPointerMove}
          onPointerUp={onPointerUp}
          onPointerLeave={() => point(null)}
          onDblClick={() => setViewport(null)}
        >
          <canvas class="matrix" ref={base} style={{ left: `${left}px`, top: `${top}px` }} />
          <canvas class="overlay" ref={overlay} />
        </div>
      </VirtualGrid>
      <div class="readout" data-testid="readout">
        {brush
          ? describeBlock(brush, rows, columns)
          : highlighted
            ? describe(highlighted)
            : isPooled(tile)
              ? pooledNote(tile)
              : props.hint}
      </div>
    </div>
  );
}

interface Block {
  readonly rows: readonly [from: number, to: number];
  readonly columns: readonly [from: number, to: number];
}

const block = (a: Cell, b: Cell): Block => ({
  rows: [Math.min(a.row, b.row), Math.max(a.row, b.row) + 1],
  columns: [Math.min(a.column, b.column), Math.max(a.column, b.column) + 1],
});

function describeBlock({ rows, columns }: Block, rowLabels: readonly Label[], columnLabels: readonly Label[]): string {
  const ends = ([from, to]: Block['rows'], labels: readonly Label[]) => [
    labels[from]?.text ?? '',
    labels[to - 1]?.text ?? '',
  ];
  const size = [rows[1] - rows[0], columns[1] - columns[0]];
  return t('block', ...size, ...ends(rows, rowLabels), ...ends(columns, columnLabels));
}

function pooledNote(tile: Tile): string {
  const rows = Math.ceil((tile.rows[1] - tile.rows[0]) / tile.shape[0]);
  const columns = Math.ceil((tile.columns[1] - tile.columns[0]) / tile.shape[1]);
  return t('pooled', rows, columns);
}

const fontOf = (family: string, isBold = false) => `${isBold ? 'bold ' : ''}${fontSize}px ${family}`;

function measureGutter(labels: readonly Label[], font: string): number {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) return maxGutter;
  context.font = fontOf(font, true);
  // The longest labels by length are the widest in practice; measuring thousands would cost a frame.
  const longest = labels
    .map(({ text }) => text)
    .sort((a, b) => b.length - a.length)
    .slice(0, 32);
  const width = Math.max(16, ...longest.map(label => context.measureText(label).width));
  return Math.ceil(Math.min(maxGutter, width + 2 * labelPadding));
}

interface Overlay {
  readonly rows: readonly Label[];
  readonly columns: readonly Label[];
  readonly viewport: Viewport;
  readonly area: Area;
  readonly left: number;
  readonly top: number;
  readonly theme: Theme;
  readonly chosen: number | null;
  readonly cell: Cell | null;
  readonly brush: Block | null;
}

/** Width and height of the matrix on screen. */
const extent = ({ rows, columns, viewport, area }: Overlay): [width: number, height: number] => [
  Math.min(area.width, (columns.length - viewport.column) * viewport.cell),
  Math.min(area.height, (rows.length - viewport.row) * viewport.cell),
];

/** More cells than this make an SVG that no editor opens: then the picture is embedded. */
const maxCells = 20_000;

function drawCells(
  surface: SvgSurface,
  tile: Tile,
  paint: Paint,
  scene: Overlay,
  picture: HTMLCanvasElement | null,
): void {
  const { viewport, area, left, top } = scene;
  const rows = visible(viewport.row, area.height, viewport.cell, scene.rows.length);
  const columns = visible(viewport.column, area.width, viewport.cell, scene.columns.length);
  const [width, height] = extent(scene);
  if (isPooled(tile) || (rows[1] - rows[0]) * (columns[1] - columns[0]) > maxCells) {
    if (picture) surface.image(picture.toDataURL('image/png'), left, top, area.width, area.height);
    return;
  }
  surface.save();
  surface.beginPath();
  surface.rect(left, top, width, height);
  surface.clip();
  for (let row = rows[0]; row < rows[1]; row++) {
    for (let column = columns[0]; column < columns[1]; column++) {
      const weight = weightAt(tile, row, column) ?? 0;
      surface.fillStyle = cssColor(paint.colors[Math.round(unit(weight, paint) * (levels - 1))] ?? 0);
      const [x, y] = [left + (column - viewport.column) * viewport.cell, top + (row - viewport.row) * viewport.cell];
      // A hair wider, so that no seams show between cells.
      surface.fillRect(x, y, viewport.cell + 0.1, viewport.cell + 0.1);
    }
  }
  surface.restore();
}

/** Labels of both axes, the chosen row, the cell that is pointed at, the block that is brushed. */
function drawOverlay(context: Surface, scene: Overlay): void {
  const { rows, columns, viewport, area, left, top, theme, chosen, cell, brush } = scene;
  const size = viewport.cell;
  const xOf = (column: number) => left + (column - viewport.column) * size;
  const yOf = (row: number) => top + (row - viewport.row) * size;
  const [width, height] = extent(scene);
  const numbers = (...indices: (number | null | undefined)[]) => indices.filter(index => typeof index === 'number');

  context.textBaseline = 'middle';
  context.textAlign = 'right';
  const visibleRows = visible(viewport.row, area.height, size, rows.length);
  for (const row of labelled(...visibleRows, size, labelSpacing, numbers(cell?.row, chosen))) {
    const y = yOf(row) + size / 2;
    if (y < top || y > top + height) continue;
    const isMarked = row === cell?.row || row === chosen;
    context.font = fontOf(theme.font, isMarked);
    context.fillStyle = isMarked ? theme.query : labelColor(rows[row], theme);
    context.fillText(shorten(context, rows[row], left - 2 * labelPadding), left - labelPadding, y);
  }
  context.textAlign = 'left';
  const visibleColumns = visible(viewport.column, area.width, size, columns.length);
  for (const column of labelled(...visibleColumns, size, labelSpacing, numbers(cell?.column))) {
    const x = xOf(column) + size / 2;
    if (x < left || x > left + width) continue;
    const isMarked = column === cell?.column;
    context.font = fontOf(theme.font, isMarked);
    context.fillStyle = isMarked ? theme.key : labelColor(columns[column], theme);
    context.save();
    context.translate(x, top - labelPadding);
    context.rotate(-Math.PI / 2);
    context.fillText(shorten(context, columns[column], top - 2 * labelPadding), 0, 0);
    context.restore();
  }

  context.save();
  context.beginPath();
  context.rect(left - 2, top - 2, width + 4, height + 4);
  context.clip();
  const frame = (x: number, y: number, w: number, h: number, color: string) => {
    for (const [style, line] of [
      [theme.background, 4],
      [color, 2],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.strokeRect(x - 1, y - 1, w + 2, h + 2);
    }
  };
  if (chosen !== null && chosen < rows.length) {
    context.strokeStyle = theme.query;
    context.lineWidth = 2;
    context.strokeRect(left - 1, yOf(chosen) - 1, width + 2, Math.max(3, size) + 2);
  }
  if (cell) frame(xOf(cell.column), yOf(cell.row), size, size, theme.key);
  if (brush) {
    const [x, y] = [xOf(brush.columns[0]), yOf(brush.rows[0])];
    frame(x, y, xOf(brush.columns[1]) - x, yOf(brush.rows[1]) - y, theme.key);
  }
  context.restore();
}

const labelColor = (label: Label | undefined, theme: Theme): string =>
  label?.isDimmed ? theme.dimmed : theme.foreground;

function shorten(context: Surface, label: Label | undefined, width: number): string {
  const text = label?.text ?? '';
  if (context.measureText(text).width <= width) return text;
  // By code points: half of a surrogate pair is not a character.
  const characters = [...text];
  while (characters.length > 1 && context.measureText(`${characters.join('')}…`).width > width) characters.pop();
  return `${characters.join('')}…`;
}

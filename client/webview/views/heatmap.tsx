import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Token } from '../../shared/protocol.js';
import { colorTable } from '../color-maps.js';
import { isPooled, type Tile, type Window, weightAt } from '../matrix.js';
import { MatrixCanvas, resize } from '../matrix-canvas.js';
import { type Cell, usePanel } from '../panel-context.js';
import { formatWeight, t } from '../strings.js';
import type { Theme } from '../theme.js';
import { labelOf } from '../tokens.js';
import { useSize } from '../use-size.js';
import { type Area, clamp, fit, labelled, reveal, type Size, type Viewport, visible, zoom } from '../viewport.js';
import { VirtualGrid } from '../virtual-grid.js';

interface HeatmapProps {
  readonly tile: Tile;
  /** Weights of the row under the pointer, where the tile is pooled. */
  readonly exactRow: { readonly query: number; readonly weights: Float32Array } | null;
  readonly onVisible: (window: Window) => void;
  readonly onPoint: (cell: Cell | null) => void;
}

const fontSize = 12;
const labelSpacing = 13;
const labelPadding = 8;
const maxGutter = 140;

export function Heatmap({ tile, exactRow, onVisible, onPoint: tellPoint }: HeatmapProps) {
  const { queries, keys, settings, theme, query, point: mark, choose } = usePanel();
  const size: Size = useMemo(() => ({ rows: queries.length, columns: keys.length }), [queries.length, keys.length]);
  const base = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const painter = useRef<MatrixCanvas>();
  const drag = useRef<{ x: number; y: number; viewport: Viewport; moved: boolean }>();
  const [outer, , setFrame] = useSize<HTMLDivElement>();
  const [viewport, setViewport] = useState<Viewport | null>(null);
  const [pointed, setPointed] = useState<Cell | null>(null);
  const [active, setActive] = useState<Cell>({ row: 0, column: 0 });
  const [isFocused, setFocused] = useState(false);

  const gutter = useMemo(() => measureGutter([...queries, ...keys], theme.font), [queries, keys, theme.font]);
  const area: Area = useMemo(
    () => ({ width: Math.max(1, outer.width - gutter), height: Math.max(1, outer.height - gutter) }),
    [outer, gutter],
  );
  const shown = useMemo(() => (viewport ? clamp(viewport, size, area) : fit(size, area)), [viewport, size, area]);
  const colors = useMemo(() => colorTable(settings.colorMap, theme.isLight), [settings.colorMap, theme.isLight]);

  useEffect(() => {
    const rows = visible(shown.row, area.height, shown.cell, size.rows);
    const columns = visible(shown.column, area.width, shown.cell, size.columns);
    onVisible({ rows, columns });
  }, [shown, area, size, onVisible]);

  // A new text has other tokens under the same numbers.
  useEffect(() => {
    setActive({ row: 0, column: 0 });
    setPointed(null);
  }, [size]);

  useEffect(() => {
    if (query === null) return;
    setActive(cell => ({ row: query, column: cell.column }));
    setViewport(now => (now ? reveal(now, query, null, size, area) : now));
  }, [query, size, area]);

  useLayoutEffect(() => {
    if (!base.current) return;
    painter.current ??= new MatrixCanvas(base.current);
    painter.current.draw(tile, colors, settings.scale, shown, area);
  }, [tile, colors, settings.scale, shown, area]);

  const highlighted = pointed ?? (isFocused ? active : null);
  useLayoutEffect(() => {
    if (!overlay.current) return;
    resize(overlay.current, outer, window.devicePixelRatio);
    drawOverlay(overlay.current, { queries, keys, viewport: shown, area, gutter, theme, query, cell: highlighted });
  }, [queries, keys, shown, outer, area, gutter, theme, query, highlighted]);

  const cellAt = useCallback(
    (event: PointerEvent | MouseEvent): Cell | null => {
      const box = overlay.current?.getBoundingClientRect();
      if (!box) return null;
      const column = Math.floor(shown.column + (event.clientX - box.left - gutter) / shown.cell);
      const row = Math.floor(shown.row + (event.clientY - box.top - gutter) / shown.cell);
      const isInside =
        event.clientX - box.left >= gutter &&
        event.clientY - box.top >= gutter &&
        row < size.rows &&
        column < size.columns;
      return isInside ? { row, column } : null;
    },
    [shown, gutter, size],
  );

  const onPoint = useCallback(
    (cell: Cell | null) => {
      mark(cell);
      tellPoint(cell);
    },
    [mark, tellPoint],
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
      zoomBy(Math.exp(-event.deltaY / 200), event.clientX - box.left - gutter, event.clientY - box.top - gutter);
    } else {
      const [dx, dy] = event.shiftKey ? [event.deltaY, event.deltaX] : [event.deltaX, event.deltaY];
      setViewport(
        clamp({ ...shown, row: shown.row + dy / shown.cell, column: shown.column + dx / shown.cell }, size, area),
      );
    }
  };

  const onPointerMove = (event: PointerEvent) => {
    const start = drag.current;
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

  const moveTo = (cell: Cell) => {
    setActive(cell);
    setPointed(null);
    setViewport(now => (now ? reveal(now, cell.row, cell.column, size, area) : now));
    onPoint(cell);
  };

  const onKey = (key: string): boolean => {
    const actions: Record<string, () => void> = {
      '+': () => zoomBy(1.5),
      '=': () => zoomBy(1.5),
      '-': () => zoomBy(1 / 1.5),
      '0': () => setViewport(null),
    };
    actions[key]?.();
    return key in actions;
  };

  const weightOf = ({ row, column }: Cell): number | null =>
    weightAt(tile, row, column) ?? (exactRow?.query === row ? (exactRow.weights[column] ?? null) : null);

  const readout = highlighted && describe(highlighted, queries, keys, weightOf(highlighted));

  return (
    <div class="heatmap">
      <VirtualGrid
        class="grid"
        label={t('attentionMatrix')}
        rows={size.rows}
        columns={size.columns}
        active={active}
        description={describe(active, queries, keys, weightOf(active))}
        pageRows={Math.max(1, Math.floor(area.height / shown.cell) - 1)}
        onMove={moveTo}
        onEnter={() => choose(active)}
        onKey={onKey}
        onFocus={focused => {
          setFocused(focused);
          if (!focused) onPoint(null);
        }}
      >
        <div
          class="frame"
          ref={setFrame}
          data-query={query ?? ''}
          onWheel={onWheel}
          onPointerDown={event => {
            drag.current = { x: event.clientX, y: event.clientY, viewport: shown, moved: false };
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={onPointerMove}
          onPointerUp={event => {
            const cell = cellAt(event);
            if (cell && !drag.current?.moved) {
              setActive(cell);
              choose(cell);
            }
            drag.current = undefined;
          }}
          onPointerLeave={() => point(null)}
          onDblClick={() => setViewport(null)}
        >
          <canvas class="matrix" ref={base} style={{ left: `${gutter}px`, top: `${gutter}px` }} />
          <canvas class="overlay" ref={overlay} />
        </div>
      </VirtualGrid>
      <div class="readout" data-testid="readout">
        {readout ?? (isPooled(tile) ? pooledNote(tile) : t('rowsAreQueries'))}
      </div>
    </div>
  );
}

function pooledNote(tile: Tile): string {
  const rows = Math.ceil((tile.rows[1] - tile.rows[0]) / tile.shape[0]);
  const columns = Math.ceil((tile.columns[1] - tile.columns[0]) / tile.shape[1]);
  return t('pooled', rows, columns);
}

function describe(cell: Cell, queries: readonly Token[], keys: readonly Token[], weight: number | null): string {
  const query = queries[cell.row];
  const key = keys[cell.column];
  if (!query || !key) return '';
  return t('cell', labelOf(query), labelOf(key), weight === null ? '…' : formatWeight(weight));
}

const fontOf = (family: string, isBold = false) => `${isBold ? 'bold ' : ''}${fontSize}px ${family}`;

function measureGutter(tokens: readonly Token[], font: string): number {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) return maxGutter;
  context.font = fontOf(font, true);
  // The longest labels by length are the widest in practice; measuring thousands would cost a frame.
  const longest = tokens
    .map(labelOf)
    .sort((a, b) => b.length - a.length)
    .slice(0, 32);
  const width = Math.max(16, ...longest.map(label => context.measureText(label).width));
  return Math.ceil(Math.min(maxGutter, width + 2 * labelPadding));
}

interface Overlay {
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly viewport: Viewport;
  readonly area: Area;
  readonly gutter: number;
  readonly theme: Theme;
  readonly query: number | null;
  readonly cell: Cell | null;
}

/** Labels of both axes, the row of the cursor, and the cell that is pointed at. */
function drawOverlay(canvas: HTMLCanvasElement, scene: Overlay): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const { queries, keys, viewport, area, gutter, theme, query, cell } = scene;
  const ratio = window.devicePixelRatio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, gutter + area.width, gutter + area.height);
  const size = viewport.cell;
  const left = (column: number) => gutter + (column - viewport.column) * size;
  const top = (row: number) => gutter + (row - viewport.row) * size;
  const width = Math.min(area.width, (keys.length - viewport.column) * size);
  const height = Math.min(area.height, (queries.length - viewport.row) * size);

  context.textBaseline = 'middle';
  const rows = visible(viewport.row, area.height, size, queries.length);
  const columns = visible(viewport.column, area.width, size, keys.length);
  const marks = (...indices: (number | null | undefined)[]) => indices.filter(index => typeof index === 'number');

  context.textAlign = 'right';
  for (const row of labelled(...rows, size, labelSpacing, marks(cell?.row, query))) {
    const y = top(row) + size / 2;
    if (y < gutter || y > gutter + height) continue;
    const isMarked = row === cell?.row || row === query;
    context.font = fontOf(theme.font, isMarked);
    context.fillStyle = isMarked ? theme.query : labelColor(queries[row], theme);
    context.fillText(shorten(context, queries[row], gutter - 2 * labelPadding), gutter - labelPadding, y);
  }
  context.textAlign = 'left';
  for (const column of labelled(...columns, size, labelSpacing, marks(cell?.column))) {
    const x = left(column) + size / 2;
    if (x < gutter || x > gutter + width) continue;
    const isMarked = column === cell?.column;
    context.font = fontOf(theme.font, isMarked);
    context.fillStyle = isMarked ? theme.key : labelColor(keys[column], theme);
    context.save();
    context.translate(x, gutter - labelPadding);
    context.rotate(-Math.PI / 2);
    context.fillText(shorten(context, keys[column], gutter - 2 * labelPadding), 0, 0);
    context.restore();
  }

  context.save();
  context.beginPath();
  context.rect(gutter - 2, gutter - 2, width + 4, height + 4);
  context.clip();
  if (query !== null && query < queries.length) {
    context.strokeStyle = theme.query;
    context.lineWidth = 2;
    context.strokeRect(gutter - 1, top(query) - 1, width + 2, Math.max(3, size) + 2);
  }
  if (cell) {
    context.strokeStyle = theme.background;
    context.lineWidth = 4;
    context.strokeRect(left(cell.column) - 1, top(cell.row) - 1, size + 2, size + 2);
    context.strokeStyle = theme.key;
    context.lineWidth = 2;
    context.strokeRect(left(cell.column) - 1, top(cell.row) - 1, size + 2, size + 2);
  }
  context.restore();
}

const labelColor = (token: Token | undefined, theme: Theme): string =>
  token?.special ? theme.dimmed : theme.foreground;

function shorten(context: CanvasRenderingContext2D, token: Token | undefined, width: number): string {
  if (!token) return '';
  const label = labelOf(token);
  if (context.measureText(label).width <= width) return label;
  // By code points: half of a surrogate pair is not a character.
  const characters = [...label];
  while (characters.length > 1 && context.measureText(`${characters.join('')}…`).width > width) characters.pop();
  return `${characters.join('')}…`;
}

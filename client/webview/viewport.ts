// Which cells of a matrix are on screen, and where. Plain numbers, so that zooming can be tested without a canvas.

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

export interface Viewport {
  /** First visible row and column, in cells; fractions are allowed. */
  readonly row: number;
  readonly column: number;
  /** Edge of a square cell in CSS pixels. */
  readonly cell: number;
}

export interface Area {
  readonly width: number;
  readonly height: number;
}

/** Larger cells say nothing more. */
export const maxCell = 48;
const comfortableCell = 32;

export function fit(size: Size, area: Area, smallest = 1e-3): Viewport {
  const cell = Math.min(comfortableCell, area.width / size.columns, area.height / size.rows);
  return { row: 0, column: 0, cell: Math.max(cell, smallest) };
}

export function clamp(viewport: Viewport, size: Size, area: Area): Viewport {
  const smallest = fit(size, area).cell;
  const cell = Math.min(Math.max(viewport.cell, smallest), Math.max(maxCell, smallest));
  const limit = (first: number, count: number, pixels: number) => Math.max(0, Math.min(first, count - pixels / cell));
  return {
    cell,
    row: limit(viewport.row, size.rows, area.height),
    column: limit(viewport.column, size.columns, area.width),
  };
}

/** Zooms by a factor and keeps the cell under the point where it is. */
export function zoom(viewport: Viewport, factor: number, x: number, y: number, size: Size, area: Area): Viewport {
  const smallest = fit(size, area).cell;
  const cell = Math.min(Math.max(viewport.cell * factor, smallest), Math.max(maxCell, smallest));
  return clamp(
    {
      cell,
      row: viewport.row + y / viewport.cell - y / cell,
      column: viewport.column + x / viewport.cell - x / cell,
    },
    size,
    area,
  );
}

/** The viewport that shows a block of cells as large as it can. */
export function zoomTo(
  rows: readonly [number, number],
  columns: readonly [number, number],
  size: Size,
  area: Area,
): Viewport {
  const block = { rows: rows[1] - rows[0], columns: columns[1] - columns[0] };
  const cell = Math.min(maxCell, area.width / block.columns, area.height / block.rows);
  return clamp({ cell, row: rows[0], column: columns[0] }, size, area);
}

/** Moves as little as needed for a cell to be seen. */
export function reveal(viewport: Viewport, row: number, column: number | null, size: Size, area: Area): Viewport {
  const into = (first: number, index: number, pixels: number) => {
    const count = pixels / viewport.cell;
    if (index < first) return index;
    return index + 1 > first + count ? index + 1 - count : first;
  };
  return clamp(
    {
      cell: viewport.cell,
      row: into(viewport.row, row, area.height),
      column: column === null ? viewport.column : into(viewport.column, column, area.width),
    },
    size,
    area,
  );
}

/** Half-open interval of the visible indices. */
export function visible(first: number, pixels: number, cell: number, count: number): [from: number, to: number] {
  return [Math.max(0, Math.floor(first)), Math.min(count, Math.ceil(first + pixels / cell))];
}

/**
 * The indices that get a label so that no two labels are closer than `spacing` pixels. `first` always gets one;
 * its neighbours give way.
 */
export function labelled(from: number, to: number, cell: number, spacing: number, always: readonly number[]): number[] {
  const step = Math.max(1, Math.ceil(spacing / cell));
  const kept = always.filter(index => index >= from && index < to);
  const chosen: number[] = [];
  for (const index of kept) {
    if (chosen.every(other => Math.abs(other - index) * cell >= spacing)) chosen.push(index);
  }
  // Multiples of the step, so that labels keep their places while the matrix is moved.
  for (let index = Math.ceil(from / step) * step; index < to; index += step) {
    if (
      chosen.every(other => other === index || Math.abs(other - index) * cell >= spacing) &&
      !chosen.includes(index)
    ) {
      chosen.push(index);
    }
  }
  return chosen.sort((a, b) => a - b);
}

import type { TileResult } from '../shared/protocol.js';

/** A block of one head's weights, possibly pooled: rows x columns of the attention matrix in shape[0] x shape[1] values. */
export interface Tile {
  readonly rows: readonly [from: number, to: number];
  readonly columns: readonly [from: number, to: number];
  readonly shape: readonly [rows: number, columns: number];
  readonly values: Float32Array;
  readonly max: number;
}

/** Matrices up to this many cells are asked for whole; larger ones in tiles that fit the screen. */
export const wholeLimit = 1 << 20;
const tileEdge = 1024;

export interface Window {
  readonly rows: readonly [from: number, to: number];
  readonly columns: readonly [from: number, to: number];
}

export function tileRequest(size: { rows: number; columns: number }, visible: Window) {
  const whole = size.rows * size.columns <= wholeLimit;
  const rows = whole ? ([0, size.rows] as const) : visible.rows;
  const columns = whole ? ([0, size.columns] as const) : visible.columns;
  const edge = (interval: readonly [number, number]) =>
    whole ? interval[1] - interval[0] : Math.min(tileEdge, interval[1] - interval[0]);
  return { rows, columns, size: [edge(rows), edge(columns)] as const };
}

export const isPooled = (tile: Tile): boolean =>
  tile.shape[0] < tile.rows[1] - tile.rows[0] || tile.shape[1] < tile.columns[1] - tile.columns[0];

/** @throws Error when the server sent fewer values than the shape promises. */
export function toTile(window: Window, result: TileResult<ArrayBuffer>): Tile {
  const [rows, columns] = result.shape;
  if (result.data.byteLength !== rows * columns * 4) throw new Error('The matrix is incomplete.');
  const values = new Float32Array(result.data);
  return { rows: window.rows, columns: window.columns, shape: result.shape, values, max: result.max };
}

/** The weight of a cell; null where the tile is pooled or does not reach. */
export function weightAt(tile: Tile, row: number, column: number): number | null {
  if (isPooled(tile)) return null;
  const r = row - tile.rows[0];
  const c = column - tile.columns[0];
  if (r < 0 || c < 0 || r >= tile.shape[0] || c >= tile.shape[1]) return null;
  return tile.values[r * tile.shape[1] + c] ?? null;
}

/** The strongest value of each step x step block; what is left at the edges makes blocks of its own. */
export function pool(tile: Tile, step: number): { values: Float32Array; shape: readonly [number, number] } {
  const [rows, columns] = tile.shape;
  const shape = [Math.ceil(rows / step), Math.ceil(columns / step)] as const;
  const values = new Float32Array(shape[0] * shape[1]);
  for (let row = 0; row < rows; row++) {
    const line = Math.floor(row / step) * shape[1];
    for (let column = 0; column < columns; column++) {
      const value = tile.values[row * columns + column] ?? 0;
      const at = line + Math.floor(column / step);
      if (Math.abs(value) > Math.abs(values[at] ?? 0)) values[at] = value;
    }
  }
  return { values, shape };
}

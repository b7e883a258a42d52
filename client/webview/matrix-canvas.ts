import type { Scale } from '../shared/panel.js';
import { levels, scaled } from './color-maps.js';
import type { Tile } from './matrix.js';
import type { Area, Viewport } from './viewport.js';

/** Draws one tile of a matrix with Canvas2D. The picture is made once per tile and colours, then only moved. */
export class MatrixCanvas {
  private readonly picture = document.createElement('canvas');
  private made: { tile: Tile; colors: Uint32Array; scale: Scale } | undefined;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  draw(tile: Tile, colors: Uint32Array, scale: Scale, viewport: Viewport, area: Area): void {
    const ratio = window.devicePixelRatio;
    resize(this.canvas, area, ratio);
    const context = this.canvas.getContext('2d');
    if (!context) return;
    this.make(tile, colors, scale);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, area.width, area.height);
    // Pixels are cells: smoothing would invent values between them.
    context.imageSmoothingEnabled = false;
    const { cell } = viewport;
    context.drawImage(
      this.picture,
      (tile.columns[0] - viewport.column) * cell,
      (tile.rows[0] - viewport.row) * cell,
      (tile.columns[1] - tile.columns[0]) * cell,
      (tile.rows[1] - tile.rows[0]) * cell,
    );
  }

  private make(tile: Tile, colors: Uint32Array, scale: Scale): void {
    if (this.made?.tile === tile && this.made.colors === colors && this.made.scale === scale) return;
    this.made = { tile, colors, scale };
    const [rows, columns] = tile.shape;
    this.picture.width = columns;
    this.picture.height = rows;
    const context = this.picture.getContext('2d');
    if (!context || rows * columns === 0) return;
    const image = context.createImageData(columns, rows);
    const words = new Uint32Array(image.data.buffer);
    for (const [index, weight] of tile.values.entries()) {
      words[index] = colors[Math.round(scaled(weight, tile.max, scale) * (levels - 1))] ?? 0;
    }
    context.putImageData(image, 0, 0);
  }
}

export function resize(canvas: HTMLCanvasElement, area: Area, ratio: number): void {
  const width = Math.max(1, Math.round(area.width * ratio));
  const height = Math.max(1, Math.round(area.height * ratio));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.style.width = `${area.width}px`;
  canvas.style.height = `${area.height}px`;
}

import { prepare } from './canvas.js';
import { levels, unit } from './color-maps.js';
import { pool, type Tile } from './matrix.js';
import type { MatrixPainter, Paint } from './matrix-painter.js';
import type { Area, Viewport } from './viewport.js';

/** Draws one tile of a matrix with Canvas2D. The picture is made once per tile and colours, then only moved. */
export class MatrixCanvas implements MatrixPainter {
  private readonly picture = document.createElement('canvas');
  private made: { tile: Tile; paint: Paint; step: number } | undefined;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  draw(tile: Tile, paint: Paint, viewport: Viewport, area: Area): void {
    const context = prepare(this.canvas, area);
    if (!context) return;
    const { cell } = viewport;
    const width = (tile.columns[1] - tile.columns[0]) * cell;
    const height = (tile.rows[1] - tile.rows[0]) * cell;
    // Where several values share a pixel the strongest is drawn: picking one at random would lose peaks.
    this.make(tile, paint, Math.max(1, Math.ceil(tile.shape[1] / (width * window.devicePixelRatio) - 1e-6)));
    // Pixels are cells: smoothing would invent values between them.
    context.imageSmoothingEnabled = false;
    const x = (tile.columns[0] - viewport.column) * cell;
    const y = (tile.rows[0] - viewport.row) * cell;
    context.drawImage(this.picture, x, y, width, height);
  }

  private make(tile: Tile, paint: Paint, step: number): void {
    if (this.made?.tile === tile && this.made.paint === paint && this.made.step === step) return;
    this.made = { tile, paint, step };
    const { values, shape } = step === 1 ? tile : pool(tile, step);
    const [rows, columns] = shape;
    this.picture.width = columns;
    this.picture.height = rows;
    const context = this.picture.getContext('2d');
    if (!context || rows * columns === 0) return;
    const image = context.createImageData(columns, rows);
    const words = new Uint32Array(image.data.buffer);
    for (const [index, weight] of values.entries()) {
      words[index] = paint.colors[Math.round(unit(weight, paint) * (levels - 1))] ?? 0;
    }
    context.putImageData(image, 0, 0);
  }

  dispose(): void {
    this.made = undefined;
  }
}

import type { Tile } from './matrix.js';
import { MatrixCanvas } from './matrix-canvas.js';
import { MatrixWebGl } from './matrix-webgl.js';
import type { Area, Viewport } from './viewport.js';

/** How weights become colours: a weight's unit value picks the entry of the table. */
export interface Paint {
  readonly colors: Uint32Array;
  readonly scale: 'linear' | 'sqrt' | 'log';
  /** The weight at the far end of the colours. */
  readonly max: number;
  /** Differences lie between -max and max, with zero in the middle of the colours. */
  readonly isSigned: boolean;
}

export interface MatrixPainter {
  draw(tile: Tile, paint: Paint, viewport: Viewport, area: Area): void;
  dispose(): void;
}

/**
 * WebGL2 where a graphics card draws it, else Canvas2D, which can do the same: without a card the processor plays one, and takes
 * many times as long for a frame (docs/panels.md, "Speed").
 */
export function createPainter(canvas: HTMLCanvasElement): MatrixPainter {
  const context = canvas.getContext('webgl2', {
    alpha: true,
    antialias: false,
    preserveDrawingBuffer: true,
    failIfMajorPerformanceCaveat: true,
  });
  return context ? new MatrixWebGl(canvas, context) : new MatrixCanvas(canvas);
}

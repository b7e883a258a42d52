// What pictures of all heads have in common: layers down, heads across.
import type { Theme } from './theme.js';

export interface HeadGrid {
  /** Room for the numbers of layers at the left and of heads above, CSS pixels. */
  readonly left: number;
  readonly top: number;
  /** Of one head's picture. */
  readonly edge: number;
  /** From one picture to the next. */
  readonly pitch: number;
}

export function drawAxes(
  context: CanvasRenderingContext2D,
  { left, top, edge, pitch }: HeadGrid,
  layers: number,
  heads: number,
  theme: Theme,
): void {
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.dimmed;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (let layer = 0; layer < layers; layer++)
    context.fillText(String(layer), left - 8, top + layer * pitch + edge / 2);
  context.textAlign = 'center';
  for (let head = 0; head < heads; head++) context.fillText(String(head), left + head * pitch + edge / 2, top / 2);
}

export function outline(context: CanvasRenderingContext2D, x: number, y: number, edge: number, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.strokeRect(x - 1, y - 1, edge + 2, edge + 2);
}

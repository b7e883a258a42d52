import type { ImageInfo } from '../shared/protocol.js';
import type { Area } from './viewport.js';

/** Where a picture stands on a canvas: as large as it fits, in the middle. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  /** CSS pixels for a pixel of the picture. */
  readonly scale: number;
}

/** A rectangle in CSS pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function place(image: ImageInfo, area: Area): Placement {
  const scale = Math.min(area.width / image.width, area.height / image.height);
  return { scale, x: (area.width - image.width * scale) / 2, y: (area.height - image.height * scale) / 2 };
}

/** All patches together: what the model sees of the picture. */
export function seen(image: ImageInfo, { x, y, scale }: Placement): Box {
  return {
    x: x + image.left * scale,
    y: y + image.top * scale,
    width: image.columns * image.patchWidth * scale,
    height: image.rows * image.patchHeight * scale,
  };
}

export function patchBox(image: ImageInfo, placement: Placement, row: number, column: number): Box {
  const all = seen(image, placement);
  const [width, height] = [all.width / image.columns, all.height / image.rows];
  return { x: all.x + column * width, y: all.y + row * height, width, height };
}

/** The patch under a point of the canvas; null outside of all. */
export function patchAt(image: ImageInfo, placement: Placement, x: number, y: number): [number, number] | null {
  const all = seen(image, placement);
  const column = Math.floor(((x - all.x) / all.width) * image.columns);
  const row = Math.floor(((y - all.y) / all.height) * image.rows);
  return row >= 0 && row < image.rows && column >= 0 && column < image.columns ? [row, column] : null;
}

/** The class token stands before the patches, which go row by row. */
export const tokenOfPatch = (image: ImageInfo, row: number, column: number): number => 1 + row * image.columns + column;

export const patchOfToken = (image: ImageInfo, token: number): [row: number, column: number] | null =>
  token === 0 ? null : [Math.floor((token - 1) / image.columns), (token - 1) % image.columns];

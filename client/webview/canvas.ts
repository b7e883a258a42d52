import type { Area } from './viewport.js';

/** Gives a canvas a size in CSS pixels, and as many pixels as the screen has there. */
export function resize(canvas: HTMLCanvasElement, area: Area): void {
  const ratio = window.devicePixelRatio;
  const width = Math.max(1, Math.round(area.width * ratio));
  const height = Math.max(1, Math.round(area.height * ratio));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.style.width = `${area.width}px`;
  canvas.style.height = `${area.height}px`;
}

/** An empty canvas of that size, whose unit is a CSS pixel. */
export function prepare(canvas: HTMLCanvasElement | null, area: Area): CanvasRenderingContext2D | null {
  const context = canvas?.getContext('2d');
  if (!canvas || !context) return null;
  resize(canvas, area);
  context.setTransform(window.devicePixelRatio, 0, 0, window.devicePixelRatio, 0, 0);
  context.clearRect(0, 0, area.width, area.height);
  return context;
}

import { useEffect } from 'preact/hooks';
import type { SaveFormat } from '../shared/panel.js';
import { usePanel } from './panel-context.js';

/** How a view is taken along. A format that a view cannot give is left out. */
export type Exporter = Partial<Record<SaveFormat, () => string>>;

/** Registers how the present view is saved; called with each rendering, so that what is seen is what is saved. */
export function useExporter(exporter: Exporter): void {
  const { setExporter } = usePanel();
  useEffect(() => {
    setExporter(exporter);
    return () => setExporter({});
  });
}

/** A CSV field as RFC 4180 has it; a leading sign of a formula is defused for spreadsheets. */
function field(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = (rows: Iterable<readonly (string | number)[]>): string => {
  const lines: string[] = [];
  for (const row of rows) lines.push(row.map(field).join(','));
  return `${lines.join('\r\n')}\r\n`;
};

export const toPng = (canvas: HTMLCanvasElement | null, background: string): string =>
  canvas ? flatten([{ canvas, x: 0, y: 0 }], background) : '';

/** Canvases laid over each other as one PNG, base64 without the data URL's head. */
export function flatten(
  layers: readonly { readonly canvas: HTMLCanvasElement; readonly x: number; readonly y: number }[],
  background: string,
): string {
  const ratio = window.devicePixelRatio;
  const all = document.createElement('canvas');
  all.width = Math.max(...layers.map(({ canvas, x }) => Math.round(x * ratio) + canvas.width));
  all.height = Math.max(...layers.map(({ canvas, y }) => Math.round(y * ratio) + canvas.height));
  const context = all.getContext('2d');
  if (!context) throw new Error('There is no canvas to draw on.');
  context.fillStyle = background;
  context.fillRect(0, 0, all.width, all.height);
  for (const { canvas, x, y } of layers) context.drawImage(canvas, Math.round(x * ratio), Math.round(y * ratio));
  return all.toDataURL('image/png').replace('data:image/png;base64,', '');
}

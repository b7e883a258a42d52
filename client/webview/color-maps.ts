import { hcl } from 'd3-color';
import { interpolateCividis, interpolateInferno, interpolateMagma, interpolateViridis } from 'd3-scale-chromatic';
import type { ColorMapName, Scale } from '../shared/panel.js';
import type { Paint } from './matrix-painter.js';

/**
 * The hue of the editor's tints. Lightness grows evenly, which is what makes steps of weight look like even steps;
 * chroma is low at both ends, where the screen has little of it.
 */
const lens = (t: number): string => hcl(48 + 38 * t, 78 * (4 * t * (1 - t)) ** 0.9, 14 + 82 * t).formatRgb();

const interpolators: Readonly<Record<ColorMapName, (t: number) => string>> = {
  lens,
  cividis: interpolateCividis,
  viridis: interpolateViridis,
  magma: interpolateMagma,
  inferno: interpolateInferno,
};

export const levels = 256;

/** RGBA words of 256 levels, ready for ImageData; level 0 is the end that is closest to the background. */
export function colorTable(name: ColorMapName, isLight: boolean): Uint32Array {
  const interpolate = interpolators[name];
  const table = new Uint32Array(levels);
  for (let level = 0; level < levels; level++) {
    const t = level / (levels - 1);
    table[level] = pack(interpolate(isLight ? 1 - t : t));
  }
  return table;
}

/** Blue below zero, orange above, the background's lightness at zero. Safe for red-green blindness. */
export function differenceTable(isLight: boolean): Uint32Array {
  const table = new Uint32Array(levels);
  for (let level = 0; level < levels; level++) {
    const signed = (2 * level) / (levels - 1) - 1;
    const strength = Math.abs(signed);
    const lightness = isLight ? 98 - 58 * strength : 14 + 66 * strength;
    table[level] = pack(hcl(signed < 0 ? 260 : 60, 70 * strength ** 0.8, lightness).formatRgb());
  }
  return table;
}

export const cssColor = (word: number): string => `rgb(${word & 255}, ${(word >> 8) & 255}, ${(word >> 16) & 255})`;

// Little endian on every machine that VS Code runs on: alpha is the highest byte.
function pack(color: string): number {
  const [r, g, b] = parseColor(color);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

function parseColor(color: string): [number, number, number] {
  const hex = /^#(..)(..)(..)$/.exec(color);
  if (hex)
    return [Number.parseInt(hex[1] ?? '', 16), Number.parseInt(hex[2] ?? '', 16), Number.parseInt(hex[3] ?? '', 16)];
  const [r = 0, g = 0, b = 0] = (color.match(/\d+(\.\d+)?/g) ?? []).map(Number);
  return [Math.round(r), Math.round(g), Math.round(b)];
}

/** Shares of the maximum below this are one colour on the logarithmic scale. */
export const logFloor = 1e-4;

/** Maps a weight to 0..1 for the colour table; max is the strongest weight shown. */
export function scaled(weight: number, max: number, scale: Scale): number {
  if (!(max > 0) || weight <= 0) return 0;
  const share = Math.min(1, weight / max);
  switch (scale) {
    case 'linear':
      return share;
    case 'sqrt':
      return Math.sqrt(share);
    case 'log':
      return share <= logFloor ? 0 : 1 - Math.log(share) / Math.log(logFloor);
  }
}

/** Place of a weight or difference in the colour table, 0..1. */
export function unit(weight: number, { max, scale, isSigned }: Paint): number {
  const strength = scaled(Math.abs(weight), max, scale);
  return isSigned ? 0.5 + 0.5 * Math.sign(weight) * strength : strength;
}

import { useLayoutEffect, useRef } from 'preact/hooks';
import type { PanelSettings } from '../shared/panel.js';
import { colorTable, levels, unit } from './color-maps.js';
import { formatWeight, t } from './strings.js';
import type { Theme } from './theme.js';

interface LegendProps {
  readonly settings: PanelSettings;
  readonly theme: Theme;
  readonly max: number | string;
  readonly difference?: Uint32Array;
}

/** The colour bar: evenly spaced weights, coloured by the scale, so that its shape says which scale it is. */
export function Legend({ settings, theme, max, difference }: LegendProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const colors = difference ?? colorTable(settings.colorMap, theme.isLight);
    const paint = { colors, scale: settings.scale, max: 1, isSigned: difference !== undefined };
    const image = context.createImageData(levels, 1);
    const words = new Uint32Array(image.data.buffer);
    for (let x = 0; x < levels; x++) {
      words[x] =
        colors[Math.round(unit(difference ? (2 * x) / (levels - 1) - 1 : x / (levels - 1), paint) * (levels - 1))] ?? 0;
    }
    context.putImageData(image, 0, 0);
  }, [settings, theme, difference]);
  const end = typeof max === 'number' ? formatWeight(max) : max;
  const start = difference ? `−${end}` : '0';
  return (
    <div class="legend" role="img" aria-label={`${t('weightLegend')}: ${start} – ${end}`}>
      <span>{start}</span>
      <canvas ref={canvas} width={levels} height={1} />
      <span>{end}</span>
    </div>
  );
}

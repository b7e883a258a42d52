import { useLayoutEffect, useRef } from 'preact/hooks';
import type { PanelSettings } from '../shared/panel.js';
import { colorTable, levels, scaled } from './color-maps.js';
import { formatWeight, t } from './strings.js';
import type { Theme } from './theme.js';

interface LegendProps {
  readonly settings: PanelSettings;
  readonly theme: Theme;
  readonly max: number | string;
}

/** The colour bar: evenly spaced weights, coloured by the scale, so that its shape says which scale it is. */
export function Legend({ settings, theme, max }: LegendProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const colors = colorTable(settings.colorMap, theme.isLight);
    const image = context.createImageData(levels, 1);
    const words = new Uint32Array(image.data.buffer);
    for (let x = 0; x < levels; x++) {
      words[x] = colors[Math.round(scaled(x / (levels - 1), 1, settings.scale) * (levels - 1))] ?? 0;
    }
    context.putImageData(image, 0, 0);
  }, [settings, theme]);
  const end = typeof max === 'number' ? formatWeight(max) : max;
  return (
    <div class="legend" role="img" aria-label={`${t('weightLegend')}: 0 – ${end}`}>
      <span>0</span>
      <canvas ref={canvas} width={levels} height={1} />
      <span>{end}</span>
    </div>
  );
}

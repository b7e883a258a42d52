import type { ComponentChildren } from 'preact';
import { Legend } from './legend.js';
import { usePanel } from './panel-context.js';
import { t } from './strings.js';
import { viewLabel } from './view-label.js';

interface FooterProps {
  /** What the far end of the colours stands for; without it there are no colours to explain. */
  readonly max?: number | string;
  /** What is shown, where it is not the panel's layer and head. */
  readonly label?: string;
  /** Colours of differences, which lie on both sides of zero. */
  readonly difference?: Uint32Array;
  readonly children?: ComponentChildren;
}

/** Says what is drawn, and what its colours mean. */
export function Footer({ max, label, difference, children }: FooterProps) {
  const { model, view, isClearest, settings, theme } = usePanel();
  const shown = label ?? (isClearest ? `${viewLabel(view)} · ${t('clearestHead')}` : viewLabel(view));
  return (
    <footer>
      <span class="what">{`${model.name} · ${shown}`}</span>
      {children}
      <span class="scale-name">{t(scaleNames[settings.scale])}</span>
      {max !== undefined && (
        <Legend settings={settings} theme={theme} max={max} {...(difference ? { difference } : {})} />
      )}
    </footer>
  );
}

const scaleNames = { linear: 'scaleLinear', sqrt: 'scaleSqrt', log: 'scaleLog' } as const;

import type { View } from '../shared/protocol.js';
import { t } from './strings.js';

/** "layer 3 · head 5", as in the status bar. */
export const viewLabel = (view: View): string =>
  [
    ...(view.stack && view.stack !== 'encoder' ? [t(view.stack)] : []),
    ...(view.heads
      ? [t('headSet', view.heads)]
      : [
          view.layer === 'mean' ? t('meanOfLayers') : t('layerNumber', view.layer),
          view.head === 'mean' ? t('meanOfHeads') : t('headNumber', view.head),
        ]),
    ...(view.method ? [view.method] : []),
    ...(view.changes ? [t('changed')] : []),
  ].join(' · ');

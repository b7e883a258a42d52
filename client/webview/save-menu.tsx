import { exportFormats, type SaveFormat, saveFormats } from '../shared/panel.js';
import type { ExportFormat } from '../shared/protocol.js';
import { t } from './strings.js';

export type Copy = 'picture' | 'numbers';

interface SaveMenuProps {
  readonly onSave: (format: SaveFormat) => void;
  readonly onExport: (format: ExportFormat) => void;
  readonly onCopy: (what: Copy) => void;
}

/** A menu that is a select: it needs no script of its own for keys, focus and screen readers. */
export function SaveMenu({ onSave, onExport, onCopy }: SaveMenuProps) {
  const actions = new Map<string, () => void>([
    ...saveFormats.map(format => [format, () => onSave(format)] as const),
    ...exportFormats.map(format => [format, () => onExport(format)] as const),
    ['picture', () => onCopy('picture')],
    ['numbers', () => onCopy('numbers')],
  ]);
  const option = (value: keyof typeof labels) => (
    <option key={value} value={value}>
      {t(labels[value])}
    </option>
  );
  return (
    <span class="menu">
      <span class="codicon codicon-save" aria-hidden="true" />
      <select
        aria-label={t('takeAlong')}
        title={t('takeAlong')}
        value=""
        onChange={event => {
          const { value } = event.currentTarget;
          event.currentTarget.value = '';
          actions.get(value)?.();
        }}
      >
        <option value="" hidden>
          {t('takeAlong')}
        </option>
        <optgroup label={t('save')}>{[...saveFormats, ...exportFormats].map(option)}</optgroup>
        <optgroup label={t('copy')}>{(['picture', 'numbers'] as const).map(option)}</optgroup>
      </select>
    </span>
  );
}

const labels = {
  svg: 'saveSvg',
  png: 'savePng',
  csv: 'saveCsv',
  html: 'saveHtml',
  npz: 'saveNpz',
  safetensors: 'saveSafetensors',
  picture: 'copyPicture',
  numbers: 'copyNumbers',
} as const;

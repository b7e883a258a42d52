import { type SaveFormat, saveFormats } from '../shared/panel.js';
import { t } from './strings.js';

/** A menu that is a select: it needs no script of its own for keys, focus and screen readers. */
export function SaveMenu({ onSave }: { readonly onSave: (format: SaveFormat) => void }) {
  return (
    <select
      class="menu"
      aria-label={t('save')}
      title={t('save')}
      value=""
      onChange={event => {
        const format = saveFormats.find(name => name === event.currentTarget.value);
        event.currentTarget.value = '';
        if (format) onSave(format);
      }}
    >
      <option value="" hidden>
        {t('save')}
      </option>
      {saveFormats.map(format => (
        <option key={format} value={format}>
          {t(labels[format])}
        </option>
      ))}
    </select>
  );
}

const labels = { svg: 'saveSvg', png: 'savePng', csv: 'saveCsv' } as const;

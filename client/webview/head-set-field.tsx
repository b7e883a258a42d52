import { useEffect, useState } from 'preact/hooks';
import { isHeadSet } from '../shared/protocol.js';
import { t } from './strings.js';

interface HeadSetFieldProps {
  readonly value: string;
  readonly layers: number;
  readonly heads: number;
  readonly onChange: (heads: string) => void;
}

/** Several heads as text; taken when it is one and the model has them, on Enter or when the field is left. */
export function HeadSetField({ value, layers, heads, onChange }: HeadSetFieldProps) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const isValid = isHeadSet(text, layers, heads);
  return (
    <label>
      <span>{t('heads')}</span>
      <input
        type="text"
        class="heads"
        value={text}
        spellcheck={false}
        title={t('headSetHint')}
        aria-invalid={!isValid}
        onInput={event => setText(event.currentTarget.value)}
        onChange={() => isValid && onChange(text.trim())}
      />
    </label>
  );
}

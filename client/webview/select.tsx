import type { Scale } from '../shared/panel.js';
import type { Pick } from '../shared/protocol.js';
import { t } from './strings.js';

export type Option<T> = readonly [value: T, label: string];

interface SelectProps<T> {
  readonly label: string;
  /** The label is left to screen readers where the options explain themselves. */
  readonly isQuiet?: boolean;
  readonly value: T;
  readonly options: readonly Option<T>[];
  readonly onChange: (value: T) => void;
}

export function Select<T extends string | number>({ label, isQuiet, value, options, onChange }: SelectProps<T>) {
  const select = (
    <select
      aria-label={label}
      title={label}
      value={String(value)}
      onChange={event => {
        const chosen = options.find(option => String(option[0]) === event.currentTarget.value);
        if (chosen) onChange(chosen[0]);
      }}
    >
      {options.map(([option, text]) => (
        <option key={option} value={String(option)}>
          {text}
        </option>
      ))}
    </select>
  );
  return isQuiet ? (
    select
  ) : (
    <span class="field">
      <span aria-hidden="true">{label}</span>
      {select}
    </span>
  );
}

/** The numbers of layers or heads, after their mean. */
export const picks = (count: number): Option<Pick>[] => [
  ['mean', t('mean')],
  ...Array.from({ length: count }, (_, index): Option<Pick> => [index, String(index)]),
];

export const scales = (): Option<Scale>[] => [
  ['linear', t('scaleLinear')],
  ['sqrt', t('scaleSqrt')],
  ['log', t('scaleLog')],
];

interface ToggleProps {
  readonly icon: string;
  readonly label: string;
  readonly isOn: boolean;
  readonly onToggle: () => void;
}

export function Toggle({ icon, label, isOn, onToggle }: ToggleProps) {
  return (
    <button type="button" class="icon" aria-pressed={isOn} title={label} aria-label={label} onClick={onToggle}>
      <span class={`codicon codicon-${icon}`} aria-hidden="true" />
    </button>
  );
}

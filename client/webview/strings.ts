import { type MessageKey, messages } from '../shared/messages.js';

let table: Readonly<Record<string, string>> = messages;

export function setStrings(strings: Readonly<Record<string, string>>): void {
  table = strings;
}

export const t = (key: MessageKey, ...values: readonly (string | number)[]): string =>
  (table[key] ?? messages[key]).replace(/\{(\d+)\}/g, (_, index: string) => String(values[Number(index)] ?? ''));

/** Three significant digits are what a reader compares; more is noise. */
export const formatWeight = (weight: number): string =>
  weight === 0 ? '0' : weight < 0.0005 ? weight.toExponential(1) : weight.toFixed(3);

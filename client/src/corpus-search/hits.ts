// How hits are grouped and written. Needs no editor.
import type { Hit } from '../../shared/search-protocol.js';

export interface HitGroup {
  readonly document: string;
  readonly hits: readonly Hit[];
}

/** By document, in the order in which the documents come first. */
export function grouped(hits: readonly Hit[]): HitGroup[] {
  const groups = new Map<string, Hit[]>();
  for (const hit of hits) {
    const known = groups.get(hit.document);
    if (known) known.push(hit);
    else groups.set(hit.document, [hit]);
  }
  return [...groups].map(([document, found]) => ({ document, hits: found }));
}

export interface HitText {
  readonly label: string;
  /** Of the words in question, in the label. */
  readonly highlights: [number, number][];
  /** The score, and what the label does not say. */
  readonly description: string;
}

export function written(hit: Hit): HitText {
  const { context, contextStart, otherContextStart, quote, other, word, score } = hit;
  const highlights: [number, number][] = [[contextStart, contextStart + quote.length]];
  if (otherContextStart !== undefined && other !== undefined && otherContextStart !== contextStart) {
    highlights.push([otherContextStart, otherContextStart + other.length]);
  }
  const isPrediction = other !== undefined && hit.otherStart === undefined;
  const aside = isPrediction
    ? `${word} → ${other}`
    : other !== undefined && otherContextStart === undefined
      ? `→ ${other}`
      : undefined;
  return {
    label: context,
    highlights: highlights.sort(([a], [b]) => a - b),
    description: [score.toFixed(2), aside].filter(Boolean).join(' · '),
  };
}

/** Layer and head as they are typed: "3.5". */
export function headOf(
  text: string,
  { layers, heads }: { readonly layers: number; readonly heads: number },
): { readonly layer: number; readonly head: number } | undefined {
  const numbers = /^\s*(\d{1,4})\.(\d{1,4})\s*$/.exec(text);
  const [layer, head] = [Number(numbers?.[1]), Number(numbers?.[2])];
  return layer < layers && head < heads ? { layer, head } : undefined;
}

/** A weight as it is typed; a comma is read as in languages that write one. */
export function weightOf(text: string): number | undefined {
  const value = /^\s*\d*[.,]?\d+\s*$/.test(text) ? Number(text.replace(',', '.')) : Number.NaN;
  return value >= 0 && value <= 1 ? value : undefined;
}

/** Classes of words that an index tells apart; docs/corpora.md lists what is in them. */
export const wordClasses = [
  'any',
  'word',
  'pronoun',
  'name',
  'determiner',
  'preposition',
  'conjunction',
  'auxiliary',
  'negation',
  'number',
  'punctuation',
] as const;

export type WordClass = (typeof wordClasses)[number];

/** A word for a question in which it means itself, also when it is the name of a class. */
export const literal = (word: string): string => (wordClasses.some(name => name === word) ? `/(?i)^${word}$/` : word);

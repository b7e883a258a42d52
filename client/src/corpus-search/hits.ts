// How hits are grouped and written. Needs no editor.
import type { Hit } from '../../shared/search-protocol.js';
import { type Span, words } from '../annotations/snap.js';

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
  /** Of the context what has room, from a little before the words in question on. */
  readonly label: string;
  /** Of the words in question, in the label. */
  readonly highlights: [number, number][];
  /** The score, and what the label does not say. */
  readonly description: string;
}

/** Columns of a row that are in sight also in a narrow side bar. */
const inSight = 24;

export function written(hit: Hit): HitText {
  const { context, contextStart, otherContextStart, quote, other, word, score } = hit;
  const marked: Span = { start: contextStart, end: contextStart + quote.length };
  const marks = [marked];
  if (otherContextStart !== undefined && other !== undefined && otherContextStart !== contextStart) {
    marks.push({ start: otherContextStart, end: otherContextStart + other.length });
  }
  marks.sort((a, b) => a.start - b.start);
  const both = { start: marks[0]?.start ?? 0, end: marks.at(-1)?.end ?? 0 };
  const cut = cutBefore(context, columns(context.slice(both.start, both.end)) < inSight ? both : marked);
  const ellipsis = cut > 0 ? '…' : '';
  const moved = ellipsis.length - cut;
  const isPrediction = other !== undefined && hit.otherStart === undefined;
  const aside = isPrediction
    ? `${word} → ${other}`
    : other !== undefined && (otherContextStart === undefined || otherContextStart < cut)
      ? `→ ${other}`
      : undefined;
  return {
    label: ellipsis + context.slice(cut),
    highlights: marks.filter(({ start }) => start >= cut).map(({ start, end }) => [start + moved, end + moved]),
    description: [score.toFixed(2), aside].filter(Boolean).join(' · '),
  };
}

/** Where a context begins to be shown, so that what is marked is in sight, with as many words before it as there is room for. */
function cutBefore(context: string, { start, end }: Span): number {
  if (columns(context.slice(0, end)) <= inSight) return 0;
  const fits = (word: Span) => word.start < start && columns(context.slice(word.start, end)) < inSight;
  return words(context).find(fits)?.start ?? start;
}

/** Han, kana, hangul and full-width signs are twice as wide as letters; what else differs is little. */
const columns = (text: string): number =>
  text.length + (text.match(/[\u2e80-\ud7ff\uf900-\ufaff\uff01-\uff60]/g)?.length ?? 0);

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

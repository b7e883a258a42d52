// Where a hit stands in a document that may have changed since the run read it. Plain text arithmetic, so it needs no editor.
import type { Hit } from '../../shared/search-protocol.js';

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Place {
  readonly word: Span;
  /** The word that it attends to. */
  readonly other?: Span;
  /** It does not stand where the run read it. */
  readonly hasMoved: boolean;
}

/** Characters on each side of the old place in which a hit is looked for. */
const reach = 1 << 20;

/** Characters around a moved word that have to be as they were: a word alone could be any other of the same spelling. */
const witnesses = 8;

/** How far the word attended to may have moved against the one that attends. */
const drift = 200;

/** @returns undefined when the words stand nowhere near their place any more. */
export function findPlace(text: string, hit: Hit): Place | undefined {
  const before = bare(hit.context.slice(0, hit.contextStart));
  const behind = bare(hit.context.slice(hit.contextStart + hit.quote.length));
  const agreement = ({ start, end }: Span) => agreeing(text, start, -1, before) + agreeing(text, end, 1, behind);
  const needed = Math.min(witnesses, before.length + behind.length);
  let best: { readonly span: Span; readonly score: number } | undefined;
  const consider = (span: Span, least: number) => {
    const score = agreement(span);
    if (score >= least && (!best || score > best.score)) best = { span, score };
  };
  const old = { start: hit.start, end: hit.end };
  if (spells(text, old, hit.quote)) consider(old, 0);
  // Nearest first, so that of equals the nearest stays.
  for (const span of occurrences(text, hit.quote, hit.start, reach)) consider(span, needed);
  if (!best) return undefined;
  const { span: word } = best;
  const other = otherOf(text, hit, word);
  return { word, ...(other && { other }), hasMoved: word.start !== old.start };
}

function otherOf(text: string, { start, other, otherStart, otherEnd }: Hit, word: Span): Span | undefined {
  if (other === undefined || otherStart === undefined || otherEnd === undefined) return undefined;
  const there = { start: word.start + otherStart - start, end: word.start + otherEnd - start };
  return spells(text, there, other) ? there : occurrences(text, other, there.start, drift)[0];
}

const spells = (text: string, { start, end }: Span, quote: string): boolean =>
  start >= 0 && end <= text.length && text.slice(start, end).normalize('NFC') === quote;

/** Where a word is written, nearest to a place first. Documents may spell it in either of Unicode's forms. */
function occurrences(text: string, quote: string, near: number, within: number): Span[] {
  const found: Span[] = [];
  for (const spelling of new Set([quote, quote.normalize('NFD')])) {
    if (spelling === '') continue;
    const last = Math.min(text.length, near + within + spelling.length);
    for (
      let at = text.indexOf(spelling, Math.max(0, near - within));
      at >= 0 && at + spelling.length <= last;
      at = text.indexOf(spelling, at + 1)
    ) {
      const span = { start: at, end: at + spelling.length };
      if (isWhole(text, span)) found.push(span);
    }
  }
  return found.sort((a, b) => Math.abs(a.start - near) - Math.abs(b.start - near));
}

/** Not a piece of a longer word; in scripts without spaces there is no telling. */
function isWhole(text: string, { start, end }: Span): boolean {
  const joins = (a: string | undefined, b: string | undefined) => /^\w\w$/.test(`${a ?? ' '}${b ?? ' '}`);
  return !joins(text[start - 1], text[start]) && !joins(text[end - 1], text[end]);
}

const bare = (text: string): string => text.replace(/\s+/g, '');

/** How many characters from a place on, white space left out, are those of the context. */
function agreeing(text: string, from: number, step: 1 | -1, context: string): number {
  let count = 0;
  for (let at = step > 0 ? from : from - 1; at >= 0 && at < text.length && count < context.length; at += step) {
    const character = text.charAt(at);
    if (/\s/.test(character)) continue;
    if (character !== context.charAt(step > 0 ? count : context.length - 1 - count)) break;
    count++;
  }
  return count;
}

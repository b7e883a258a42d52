import { type Aligned, align } from '../shared/alignment.js';
import type { Token } from '../shared/protocol.js';

/** Two token sequences as one: what both have stands in one place, what only one has in a place of its own. */
export interface TokenAlignment {
  readonly places: readonly Aligned[];
  /** Both sequences have the same tokens. */
  readonly isSame: boolean;
  /** Tokens that only the first or the second sequence has. */
  readonly onlyA: number;
  readonly onlyB: number;
}

/**
 * @param isOneText the two are one text, read by two models: then tokens are the same where they cover the same
 * characters, whatever the vocabularies call them.
 */
export function alignTokens(a: readonly Token[], b: readonly Token[], isOneText: boolean): TokenAlignment {
  const nameOf = ({ range, text, special }: Token): string => {
    // Whatever a model calls the tokens that it adds, they play the same part.
    if (special) return isOneText ? '\0' : `\0${text}`;
    if (!isOneText || !range) return text;
    return `${range.start.line}:${range.start.character}-${range.end.line}:${range.end.character}`;
  };
  const places = align(a.map(nameOf), b.map(nameOf));
  const onlyA = places.filter(place => place.b === null).length;
  const onlyB = places.filter(place => place.a === null).length;
  return { places, isSame: onlyA + onlyB === 0, onlyA, onlyB };
}

/** The tokens of one side that a window of places holds; at least one, as an empty question has no answer. */
export function sideOf(
  places: readonly Aligned[],
  [from, to]: readonly [number, number],
  side: 'a' | 'b',
  count: number,
): readonly [from: number, to: number] {
  let [first, last] = [-1, -1];
  for (const place of places.slice(from, to)) {
    const index = place[side];
    if (index === null) continue;
    if (first < 0) first = index;
    last = index;
  }
  if (first >= 0) return [first, last + 1];
  return [0, Math.min(1, count)];
}

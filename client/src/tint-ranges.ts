// From the server's flat answer to ranges per bucket, for the lines that are on screen.
import type { Range, TintsResult } from '../shared/protocol.js';

export const bucketCount = 11;

/** Whole lines; ends inclusive. */
export interface LineSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * The ranges of each bucket (index 0 holds bucket 1) among the given lines. Adjacent tokens of one bucket stay
 * apart, so that word pieces remain visible as such.
 */
export function rangesByBucket(
  results: readonly TintsResult[],
  lines: readonly LineSpan[],
): readonly (readonly Range[])[] {
  const buckets: Range[][] = Array.from({ length: bucketCount }, () => []);
  for (const { tokens, buckets: tokenBuckets } of results) {
    for (const [token, bucket] of tokenBuckets.entries()) {
      const ranges = buckets[bucket - 1];
      if (!ranges) continue;
      const [startLine, start, endLine, end] = tokens.slice(token * 5, token * 5 + 4);
      if (startLine === undefined || start === undefined || endLine === undefined || end === undefined) continue;
      if (!lines.some(span => endLine >= span.from && startLine <= span.to)) continue;
      ranges.push({ start: { line: startLine, character: start }, end: { line: endLine, character: end } });
    }
  }
  return buckets;
}

/** Visible spans widened by a margin, so that scrolling a little needs no new decorations. */
export const widen = (spans: readonly LineSpan[], margin: number): LineSpan[] =>
  spans.map(({ from, to }) => ({ from: Math.max(0, from - margin), to: to + margin }));

export const covers = (outer: readonly LineSpan[], inner: readonly LineSpan[]): boolean =>
  inner.every(span => outer.some(({ from, to }) => from <= span.from && span.to <= to));

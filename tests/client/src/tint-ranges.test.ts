import { describe, expect, it } from 'vitest';
import type { TintsResult } from '../../../client/shared/protocol.js';
import { bucketCount, covers, rangesByBucket, widen } from '../../../client/src/tint-ranges.js';

const result = (buckets: number[]): TintsResult => ({
  version: 1,
  status: 'ok',
  range: { start: { line: 0, character: 0 }, end: { line: 100, character: 0 } },
  mode: 'received',
  model: 'm',
  view: { layer: 0, head: 0 },
  tokens: buckets.flatMap((_, line) => [line, 1, line, 4, line]),
  weights: buckets.map(bucket => bucket / 11),
  buckets,
  special: 'hidden',
  specialMass: 0,
  max: 1,
});

describe('ranges by bucket', () => {
  it('puts each token into its bucket and leaves bucket 0 out', () => {
    const ranges = rangesByBucket([result([0, 1, 11, 11])], [{ from: 0, to: 10 }]);
    expect(ranges).toHaveLength(bucketCount);
    expect(ranges[0]).toEqual([{ start: { line: 1, character: 1 }, end: { line: 1, character: 4 } }]);
    expect(ranges[10]?.map(range => range.start.line)).toEqual([2, 3]);
    expect(ranges.flat()).toHaveLength(3);
  });

  it('keeps to the given lines', () => {
    const ranges = rangesByBucket(
      [result(Array(50).fill(5))],
      [
        { from: 3, to: 4 },
        { from: 40, to: 40 },
      ],
    );
    expect(ranges.flat().map(range => range.start.line)).toEqual([3, 4, 40]);
  });

  it('joins several shown texts', () => {
    expect(rangesByBucket([result([1]), result([2])], [{ from: 0, to: 0 }]).flat()).toHaveLength(2);
  });
});

describe('line spans', () => {
  it('widen by the margin, never below the first line', () => {
    expect(widen([{ from: 10, to: 20 }], 50)).toEqual([{ from: 0, to: 70 }]);
  });

  it('cover what lies inside one of them', () => {
    const outer = [{ from: 0, to: 70 }];
    expect(covers(outer, [{ from: 60, to: 70 }])).toBe(true);
    expect(covers(outer, [{ from: 60, to: 71 }])).toBe(false);
  });
});

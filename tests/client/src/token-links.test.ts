import { describe, expect, it } from 'vitest';
import { patchAt, patchBox, patchOfToken, place, tokenOfPatch } from '../../../client/webview/picture.js';
import { linksOf, writtenRows } from '../../../client/webview/token-links.js';

describe('links of source and target', () => {
  // Queries: start, a, b, c; keys: x, y, end.
  const weights = {
    queries: 4,
    keys: 3,
    values: [0.1, 0.1, 0.8, 0.6, 0.3, 0.1, 0.5, 0.2, 0.3, 0.1, 0.5, 0.4],
  };
  const isQuery = (query: number) => query > 0;
  const isKey = (key: number) => key < 2;

  it('go from each target token to its strongest source token', () => {
    expect(linksOf(weights, 'strongest', isQuery, isKey)).toEqual([
      { query: 1, key: 0, weight: 0.6 },
      { query: 2, key: 0, weight: 0.5 },
      { query: 3, key: 1, weight: 0.5 },
    ]);
  });

  it('keep those that are the strongest for both', () => {
    expect(linksOf(weights, 'mutual', isQuery, isKey).map(({ query, key }) => [query, key])).toEqual([
      [1, 0],
      [3, 1],
    ]);
  });

  it('take the step before when tokens stand for the step that wrote them', () => {
    const { values } = writtenRows(weights);
    expect([...Array.from(values)].map(value => Number(value.toFixed(1)))).toEqual([
      ...[0, 0, 0],
      ...weights.values.slice(0, 9),
    ]);
  });

  it('are none where there is nothing to link', () => {
    expect(linksOf({ queries: 0, keys: 0, values: [] }, 'mutual', isQuery, isKey)).toEqual([]);
    expect(linksOf(weights, 'strongest', isQuery, () => false)).toEqual([]);
  });
});

describe('patches of a picture', () => {
  const image = { width: 300, height: 200, rows: 2, columns: 4, left: 50, top: 0, patchWidth: 50, patchHeight: 100 };
  const placement = place(image, { width: 600, height: 500 });

  it('stand where the picture stands, as large as it fits', () => {
    expect(placement).toEqual({ scale: 2, x: 0, y: 50 });
    expect(patchBox(image, placement, 1, 2)).toEqual({ x: 300, y: 250, width: 100, height: 200 });
  });

  it('are found under a point, and not beside them', () => {
    expect(patchAt(image, placement, 301, 251)).toEqual([1, 2]);
    expect(patchAt(image, placement, 99, 251)).toBeNull();
    expect(patchAt(image, placement, 501, 251)).toBeNull();
    expect(patchAt(image, placement, 301, 49)).toBeNull();
  });

  it('are tokens behind the class token', () => {
    expect(tokenOfPatch(image, 1, 2)).toBe(7);
    expect(patchOfToken(image, 7)).toEqual([1, 2]);
    expect(patchOfToken(image, 0)).toBeNull();
  });
});

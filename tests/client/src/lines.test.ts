import { describe, expect, it } from 'vitest';
import { headHue, strongest } from '../../../client/webview/lines.js';

describe('the strongest lines', () => {
  it('are as few as carry the wanted share', () => {
    expect(strongest([0.1, 0.5, 0.3, 0.1], 0.5)).toEqual({ indices: [1], kept: 0.5 });
    expect(strongest([0.1, 0.5, 0.3, 0.1], 0.7).indices).toEqual([1, 2]);
  });

  it('are all that are not zero when everything is wanted', () => {
    expect(strongest([0, 0.25, 0.75], 1)).toEqual({ indices: [2, 1], kept: 1 });
  });

  it('take the earlier of equal weights', () => {
    expect(strongest([0.25, 0.25, 0.25, 0.25], 0.5).indices).toEqual([0, 1]);
  });

  it('are none where nothing is looked at', () => {
    expect(strongest([0, 0], 0.7)).toEqual({ indices: [], kept: 1 });
    expect(strongest([], 0.7)).toEqual({ indices: [], kept: 1 });
  });
});

describe('the hues of heads', () => {
  it('differ by at least 20 degrees for sixteen heads', () => {
    const hues = Array.from({ length: 16 }, (_, head) => headHue(head, 16)).sort((a, b) => a - b);
    for (const [index, hue] of hues.entries()) {
      if (index > 0) expect(hue - (hues[index - 1] ?? 0)).toBeGreaterThanOrEqual(20);
    }
  });
});

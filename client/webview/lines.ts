// Which lines of attention are drawn. Plain numbers, so that the threshold can be tested without a canvas.

export interface Line {
  readonly query: number;
  readonly key: number;
  readonly weight: number;
}

/**
 * The strongest entries that together carry the wanted share of the mass, strongest first. Of equal ones the earlier
 * comes first, so that the same weights always give the same lines.
 */
export function strongest(weights: ArrayLike<number>, share: number): { indices: number[]; kept: number } {
  const order = Array.from({ length: weights.length }, (_, index) => index)
    .filter(index => (weights[index] ?? 0) > 0)
    .sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
  const total = order.reduce((sum, index) => sum + (weights[index] ?? 0), 0);
  const indices: number[] = [];
  let kept = 0;
  for (const index of order) {
    if (kept >= share * total) break;
    indices.push(index);
    kept += weights[index] ?? 0;
  }
  return { indices, kept: total > 0 ? kept / total : 1 };
}

/** Colours of heads: hues evenly spaced, lightness for the background. Sixteen heads stay apart at a glance. */
export const headHue = (head: number, heads: number): number => (50 + (360 * head) / Math.max(1, heads)) % 360;

import { diffArrays } from 'diff';

/** A place of two sequences laid side by side; null: the other sequence alone has it. */
export interface Aligned {
  readonly a: number | null;
  readonly b: number | null;
}

/** More changes than this cost seconds to find; then nothing between the common ends counts as kept. */
const maxEditLength = 1200;

/** The two sequences as one, with the fewest places that only one of them has; of changes in one place those of the first go first. */
export function align(a: readonly string[], b: readonly string[]): Aligned[] {
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;

  const places: Aligned[] = [];
  let [i, j] = [0, 0];
  const kept = (count: number) => {
    for (let n = 0; n < count; n++) places.push({ a: i++, b: j++ });
  };
  const dropped = (count: number) => {
    for (let n = 0; n < count; n++) places.push({ a: i++, b: null });
  };
  const came = (count: number) => {
    for (let n = 0; n < count; n++) places.push({ a: null, b: j++ });
  };
  kept(head);
  const [middleA, middleB] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  const changes = diffArrays(middleA, middleB, { maxEditLength });
  if (changes) {
    for (const { count = 0, added, removed } of changes) (added ? came : removed ? dropped : kept)(count);
  } else {
    dropped(middleA.length);
    came(middleB.length);
  }
  kept(tail);
  return places;
}

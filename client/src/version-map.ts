// Finds in one version of a text what stands in another. Plain lines, so it needs no document.
import { align } from '../shared/alignment.js';
import type { Position, Range } from '../shared/protocol.js';
import { isEmpty } from './text-ranges.js';

/** Where a line went; changed lines are paired in order. */
interface Carried {
  readonly line: number;
  readonly isSame: boolean;
}

/** The range of the other version that corresponds to a range of this one; null: all of its lines are new. */
export function carryRange(range: Range, from: readonly string[], to: readonly string[]): Range | null {
  const lines = carriedLines(from, to);
  const carry = ({ line, character }: Position, wanted: number): Position | null => {
    const found = lines[line];
    if (!found) return null;
    if (wanted !== line) return { line: found.line, character: wanted < line ? 0 : (to[found.line]?.length ?? 0) };
    if (found.isSame) return { line: found.line, character };
    return { line: found.line, character: carryCharacter(character, from[line] ?? '', to[found.line] ?? '') };
  };
  let start: Position | null = null;
  for (let line = range.start.line; line <= range.end.line && !start; line++) {
    start = carry({ line, character: range.start.character }, range.start.line);
  }
  if (!start) return null;
  if (isEmpty(range)) return { start, end: start };
  let end: Position | null = null;
  for (let line = range.end.line; line >= range.start.line && !end; line--) {
    end = carry({ line, character: range.end.character }, range.end.line);
  }
  return end ? { start, end } : null;
}

function carriedLines(from: readonly string[], to: readonly string[]): (Carried | undefined)[] {
  const carried: (Carried | undefined)[] = new Array(from.length);
  let dropped: number[] = [];
  let came: number[] = [];
  const pair = () => {
    for (const [index, line] of dropped.entries()) {
      const other = came[Math.min(index, came.length - 1)];
      if (other !== undefined) carried[line] = { line: other, isSame: false };
    }
    dropped = [];
    came = [];
  };
  for (const { a, b } of align(from, to)) {
    if (a !== null && b !== null) {
      pair();
      carried[a] = { line: b, isSame: true };
    } else if (a !== null) dropped.push(a);
    else if (b !== null) came.push(b);
  }
  pair();
  return carried;
}

/** A place within a changed line: counted from the end that it shares with the other line. */
function carryCharacter(character: number, from: string, to: string): number {
  const shorter = Math.min(from.length, to.length);
  let head = 0;
  while (head < shorter && from[head] === to[head]) head++;
  if (character <= head) return character;
  let tail = 0;
  while (tail < shorter - head && from[from.length - 1 - tail] === to[to.length - 1 - tail]) tail++;
  const fromEnd = from.length - character;
  return fromEnd <= tail ? to.length - fromEnd : Math.min(character, to.length - tail);
}

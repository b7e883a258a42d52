// Ranges that stay on their text while it is edited. Plain line/character arithmetic, so it needs no document.
import type { Position, Range } from '../shared/protocol.js';

export interface Edit {
  /** Replaced range, in the text before the edit. */
  readonly range: Range;
  readonly text: string;
}

export const isBefore = (a: Position, b: Position): boolean =>
  a.line < b.line || (a.line === b.line && a.character < b.character);

export const isEmpty = (range: Range): boolean =>
  range.start.line === range.end.line && range.start.character === range.end.character;

/** True at both edges: a cursor right behind the last character still belongs to the text. */
export const contains = (range: Range, position: Position): boolean =>
  !isBefore(position, range.start) && !isBefore(range.end, position);

/** Inside another range, and less than all of it. */
export const isPartOf = (part: Range, whole: Range): boolean =>
  contains(whole, part.start) &&
  contains(whole, part.end) &&
  (isBefore(whole.start, part.start) || isBefore(part.end, whole.end));

export const overlaps = (a: Range, b: Range): boolean => !isBefore(a.end, b.start) && !isBefore(b.end, a.start);

function endOfInsertion(start: Position, text: string): Position {
  const lines = text.split(/\r\n|\r|\n/);
  const last = lines.at(-1) ?? '';
  return lines.length === 1
    ? { line: start.line, character: start.character + last.length }
    : { line: start.line + lines.length - 1, character: last.length };
}

function shift(position: Position, edit: Edit, isStart: boolean): Position {
  const { start, end } = edit.range;
  if (isBefore(position, start)) return position;
  if (!isBefore(start, position)) {
    // Exactly at the edit's start: only an insertion can move it, and then only an end.
    return isEmpty(edit.range) && !isStart ? endOfInsertion(start, edit.text) : position;
  }
  const to = endOfInsertion(start, edit.text);
  if (isBefore(position, end)) return isStart ? start : to;
  return position.line === end.line
    ? { line: to.line, character: to.character + position.character - end.character }
    : { line: position.line + to.line - end.line, character: position.character };
}

/** Text typed at either edge joins the range, as it does for an editor's selection-based decorations. */
export function shiftRange(range: Range, edits: readonly Edit[]): Range {
  let { start, end } = range;
  for (const edit of edits) {
    const empty = isEmpty({ start, end });
    start = shift(start, edit, !empty);
    end = empty ? start : shift(end, edit, false);
  }
  return { start, end };
}

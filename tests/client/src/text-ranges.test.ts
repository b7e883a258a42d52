import { describe, expect, it } from 'vitest';
import type { Range } from '../../../client/shared/protocol.js';
import { contains, type Edit, shiftRange } from '../../../client/src/text-ranges.js';

const range = (startLine: number, start: number, endLine: number, end: number): Range => ({
  start: { line: startLine, character: start },
  end: { line: endLine, character: end },
});
const insert = (line: number, character: number, text: string): Edit => ({
  range: range(line, character, line, character),
  text,
});
const replace = (of: Range, text: string): Edit => ({ range: of, text });

const shown = range(2, 4, 3, 10);

describe('a shown range follows edits', () => {
  it.each<[string, Edit, Range]>([
    ['typing after it', insert(3, 11, 'x'), shown],
    ['typing on an earlier line', insert(0, 0, 'xyz'), shown],
    ['a new line above', insert(0, 0, '\n'), range(3, 4, 4, 10)],
    ['a Windows line break above', insert(0, 0, 'a\r\nb'), range(3, 4, 4, 10)],
    ['typing before it on its line', insert(2, 0, 'ab'), range(2, 6, 3, 10)],
    ['a line break before it on its line', insert(2, 2, '\n'), range(3, 2, 4, 10)],
    ['typing inside its first line', insert(2, 6, 'ab'), shown],
    ['typing inside its last line', insert(3, 5, 'ab'), range(2, 4, 3, 12)],
    ['typing at its start', insert(2, 4, 'ab'), shown],
    ['typing at its end', insert(3, 10, 'ab'), range(2, 4, 3, 12)],
    ['a line break at its end', insert(3, 10, '\nab'), range(2, 4, 4, 2)],
    ['deleting lines above', replace(range(0, 0, 2, 0), ''), range(0, 4, 1, 10)],
    ['deleting across its start', replace(range(1, 0, 2, 6), ''), range(1, 0, 2, 10)],
    ['deleting across its end', replace(range(3, 8, 4, 0), ''), range(2, 4, 3, 8)],
    ['deleting all of it', replace(range(1, 0, 5, 0), ''), range(1, 0, 1, 0)],
    ['replacing exactly it', replace(shown, 'one\ntwo'), range(2, 4, 3, 3)],
    ['replacing what follows directly', replace(range(3, 10, 3, 12), 'zzz'), shown],
    ['replacing what precedes directly', replace(range(2, 2, 2, 4), 'zzz'), range(2, 5, 3, 10)],
  ])('%s', (_, edit, expected) => {
    expect(shiftRange(shown, [edit])).toEqual(expected);
  });

  it('takes several edits in the order in which VS Code reports them, last first', () => {
    expect(shiftRange(shown, [insert(3, 5, 'x'), insert(2, 0, 'ab'), insert(0, 0, '\n')])).toEqual(range(3, 6, 4, 11));
  });

  it('keeps an empty range empty: it is the anchor of a paragraph', () => {
    expect(shiftRange(range(2, 3, 2, 3), [insert(2, 3, 'ab')])).toEqual(range(2, 5, 2, 5));
    expect(shiftRange(range(2, 3, 2, 3), [insert(0, 0, '\n')])).toEqual(range(3, 3, 3, 3));
  });

  it('counts UTF-16 code units, as VS Code does', () => {
    expect(shiftRange(range(0, 2, 0, 5), [insert(0, 0, '😀')])).toEqual(range(0, 4, 0, 7));
  });
});

describe('containment', () => {
  it('includes both edges', () => {
    expect(contains(shown, { line: 2, character: 4 })).toBe(true);
    expect(contains(shown, { line: 3, character: 10 })).toBe(true);
    expect(contains(shown, { line: 2, character: 3 })).toBe(false);
    expect(contains(shown, { line: 3, character: 11 })).toBe(false);
  });
});

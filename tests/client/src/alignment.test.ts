import { describe, expect, it } from 'vitest';
import { align } from '../../../client/shared/alignment.js';
import type { Range } from '../../../client/shared/protocol.js';
import { carryRange } from '../../../client/src/version-map.js';
import { alignTokens, sideOf } from '../../../client/webview/token-alignment.js';

const pairs = (a: string, b: string) =>
  align(a.split(' '), b.split(' ')).map(place => `${place.a ?? '-'}${place.b ?? '-'}`);

describe('two sequences side by side', () => {
  it.each<[string, string, string, string[]]>([
    ['equal', 'a b', 'a b', ['00', '11']],
    ['one more at the end', 'a b', 'a b c', ['00', '11', '-2']],
    ['one more at the start', 'b', 'a b', ['-0', '01']],
    ['one dropped inside', 'a b c', 'a c', ['00', '1-', '21']],
    ['one replaced', 'a b c', 'a x c', ['00', '1-', '-1', '22']],
    ['repeated words', 'the the the', 'the the', ['00', '11', '2-']],
    ['nothing in common', 'a', 'b', ['0-', '-0']],
  ])('%s', (_, a, b, expected) => {
    expect(pairs(a, b)).toEqual(expected);
  });

  it('holds each element once, in order, whatever the two are', () => {
    let state = 1;
    const random = (count: number) => {
      state = (state * 48271) % 2147483647;
      return state % count;
    };
    for (let round = 0; round < 50; round++) {
      const make = () => Array.from({ length: random(40) }, () => String(random(5)));
      const [a, b] = [make(), make()];
      const places = align(a, b);
      expect(places.flatMap(place => (place.a === null ? [] : [place.a]))).toEqual([...a.keys()]);
      expect(places.flatMap(place => (place.b === null ? [] : [place.b]))).toEqual([...b.keys()]);
      for (const place of places) {
        if (place.a !== null && place.b !== null) expect(a[place.a]).toBe(b[place.b]);
      }
    }
  });

  it('keeps the common ends of texts that have nothing else in common', () => {
    const middle = (name: string) => Array.from({ length: 3000 }, (_, index) => `${name}${index}`);
    const places = align(['x', ...middle('a'), 'y'], ['x', ...middle('b'), 'y']);
    expect(places).toHaveLength(6002);
    expect([places[0], places.at(-1)]).toEqual([
      { a: 0, b: 0 },
      { a: 3001, b: 3001 },
    ]);
  });
});

describe('two token sequences', () => {
  const token = (index: number, text: string, start: number, end: number) => ({
    ...{ index, id: index, text, special: start === end, typeId: 0 },
    range: start === end ? null : { start: { line: 0, character: start }, end: { line: 0, character: end } },
  });

  it('of one text in two models are the same where they cover the same characters', () => {
    const bert = [token(0, '[CLS]', 0, 0), token(1, 'un', 0, 2), token(2, '##fit', 2, 5), token(3, 'now', 6, 9)];
    const gpt = [token(0, '<s>', 0, 0), token(1, 'unfit', 0, 5), token(2, 'Ġnow', 6, 9)];
    const { places, onlyA, onlyB } = alignTokens(bert, gpt, true);
    expect(places.filter(({ a, b }) => a !== null && b !== null)).toEqual([
      { a: 0, b: 0 },
      { a: 3, b: 2 },
    ]);
    expect([onlyA, onlyB]).toEqual([2, 1]);
    expect(alignTokens(bert, gpt, false).onlyA).toBe(4);
  });

  it('are asked for where a window holds them', () => {
    const places = align('a b c d'.split(' '), 'a x c d'.split(' '));
    expect(sideOf(places, [0, 3], 'a', 4)).toEqual([0, 2]);
    expect(sideOf(places, [2, 5], 'b', 4)).toEqual([1, 4]);
    expect(sideOf(places, [1, 2], 'b', 4)).toEqual([0, 1]);
    expect(sideOf(places, [1, 2], 'b', 0)).toEqual([0, 0]);
  });
});

describe('a range in another version of a text', () => {
  const range = (startLine: number, start: number, endLine: number, end: number): Range => ({
    start: { line: startLine, character: start },
    end: { line: endLine, character: end },
  });
  const before = ['one', 'two and a half', 'three', '', 'five'];
  it.each<[string, string[], Range, Range | null]>([
    ['the same', before, range(1, 4, 2, 2), range(1, 4, 2, 2)],
    ['below a new line', ['zero', ...before], range(1, 4, 2, 2), range(2, 4, 3, 2)],
    ['above a dropped line', ['one', 'two and a half', 'five'], range(1, 0, 2, 5), range(1, 0, 1, 14)],
    [
      'in a changed line, before the change',
      ['one', 'two and a third', 'three', '', 'five'],
      range(1, 4, 1, 7),
      range(1, 4, 1, 7),
    ],
    [
      'in a changed line, behind the change',
      ['one', 'two and not a half', 'three', '', 'five'],
      range(1, 10, 1, 14),
      range(1, 14, 1, 18),
    ],
    ['a place', ['zero', ...before], range(4, 2, 4, 2), range(5, 2, 5, 2)],
    ['in dropped lines only', ['one', '', 'five'], range(1, 0, 2, 5), null],
    ['of nothing', [], range(1, 0, 2, 5), null],
  ])('%s', (_, after, asked, expected) => {
    expect(carryRange(asked, before, after)).toEqual(expected);
  });
});

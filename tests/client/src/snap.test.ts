import { describe, expect, it } from 'vitest';
import { move, trim, widen, words } from '../../../client/src/annotations/snap.js';

const text = 'Dr. Lie’s 3.5 kg — 他在奥斯陆 😊 naïve👨🏻‍🚒!';
const cut = (spans: readonly { start: number; end: number }[]) => spans.map(({ start, end }) => text.slice(start, end));
const at = (part: string) => ({ start: text.indexOf(part), end: text.indexOf(part) + part.length });

describe('words', () => {
  it('are what a reader calls one, in any script, without punctuation and emoji', () => {
    const found = cut(words(text));
    for (const word of ['Lie’s', '3.5', 'kg', '奥斯陆', 'naïve']) expect(found).toContain(word);
    expect(found.join('')).not.toMatch(/[—😊!\s]/u);
  });
});

describe('widen', () => {
  const units = words(text);
  it('takes every unit that is touched', () => {
    const { start } = at('ie');
    expect(widen(units, { start, end: start + 1 })).toEqual(at('Lie’s'));
    expect(widen(units, { start: 0, end: start + 1 })).toEqual({ start: 0, end: at('Lie’s').end });
  });
  it('takes the unit around a cursor, or the one that ends there', () => {
    expect(widen(units, { start: at('kg').end, end: at('kg').end })).toEqual(at('kg'));
    expect(widen(units, { start: at('—').start, end: at('—').start })).toBeUndefined();
    expect(widen(units, at('—'))).toBeUndefined();
  });
});

describe('trim', () => {
  it('leaves white space out, and nothing of nothing', () => {
    expect(trim('  a b \n', { start: 0, end: 7 })).toEqual({ start: 2, end: 5 });
    expect(trim('   ', { start: 0, end: 3 })).toEqual({ start: 0, end: 0 });
  });
});

describe('move', () => {
  const line = 'one two three four';
  const units = words(line);
  const span = { start: 4, end: 13 };
  const moved = (...args: Parameters<typeof move> extends [unknown, unknown, ...infer Rest] ? Rest : never) => {
    const next = move(units, span, ...args);
    return next && line.slice(next.start, next.end);
  };
  it('moves either edge by a word, out and in', () => {
    expect(moved('end', true)).toBe('two three four');
    expect(moved('end', false)).toBe('two');
    expect(moved('start', true)).toBe('one two three');
    expect(moved('start', false)).toBe('three');
  });
  it('stops at the ends, and keeps at least a unit', () => {
    expect(move(units, { start: 0, end: 3 }, 'start', true)).toBeUndefined();
    expect(move(units, { start: 14, end: 18 }, 'end', true)).toBeUndefined();
    expect(move(units, { start: 0, end: 3 }, 'end', false)).toBeUndefined();
    expect(move(units, { start: 0, end: 3 }, 'start', false)).toBeUndefined();
  });
});

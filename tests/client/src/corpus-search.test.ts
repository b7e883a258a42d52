import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Hit } from '../../../client/shared/search-protocol.js';
import { grouped, headOf, literal, weightOf, wordClasses, written } from '../../../client/src/corpus-search/hits.js';
import { findPlace } from '../../../client/src/corpus-search/place.js';

const text = 'The keeper lit the lamp. It burned all night, and the keeper slept. 😀 It was Anna’s lamp.\n';

/** A hit as the server finds it: `word` at its nth occurrence, attending to `other` behind it. */
function hitOf(word: string, nth = 0, other?: string): Hit {
  let start = text.indexOf(word);
  for (let i = 0; i < nth; i++) start = text.indexOf(word, start + 1);
  const from = Math.max(0, start - 20);
  const context = text.slice(from, start + 30).replaceAll(/\s+/g, ' ');
  const otherStart = other === undefined ? -1 : text.indexOf(other, start);
  return {
    document: '/corpus/story.txt',
    start,
    end: start + word.length,
    quote: word,
    score: 0.8349,
    word,
    context,
    contextStart: start - from,
    ...(other !== undefined && {
      other,
      otherStart,
      otherEnd: otherStart + other.length,
      otherContextStart: otherStart - from,
    }),
  };
}

const cut = (document: string, span: { start: number; end: number } | undefined) =>
  span && document.slice(span.start, span.end);

describe('findPlace', () => {
  it('is the old place in a document that has not changed', () => {
    for (const nth of [0, 1]) {
      const hit = hitOf('keeper', nth);
      expect(findPlace(text, hit)).toEqual({ word: { start: hit.start, end: hit.end }, hasMoved: false });
    }
    const place = findPlace(text, hitOf('It', 1, 'Anna'));
    expect(cut(text, place?.other)).toBe('Anna');
  });

  it('moves with its words when something is put before them', () => {
    const hit = hitOf('keeper', 1, 'slept');
    for (const before of ['A storm. ', 'the keeper the keeper ', `${'x'.repeat(5000)}\n`]) {
      const place = findPlace(before + text, hit);
      expect(place?.word).toEqual({ start: hit.start + before.length, end: hit.end + before.length });
      expect(place?.hasMoved).toBe(true);
      expect(cut(before + text, place?.other)).toBe('slept');
    }
  });

  it('is not another word of the same spelling that happens to stand at the old place', () => {
    const hit = hitOf('keeper', 1);
    const shifted = `${text.slice(0, hit.start)}keeper or ${text.slice(hit.start)}`;
    expect(findPlace(shifted, hit)?.word.start).toBe(hit.start + 'keeper or '.length);
  });

  it('survives other line ends, and either form of Unicode', () => {
    const hit: Hit = { ...hitOf('lamp', 1), context: 'It was Änne’s lamp.', contextStart: 14 };
    const windows = `Line\r\n\r\n${text.replace('Anna', 'Änne')}`;
    expect(cut(windows, findPlace(windows, hit)?.word)).toBe('lamp');
    const decomposed = 'Hier wohnte Ära'.normalize('NFD');
    const at = decomposed.indexOf('A\u0308ra');
    const found = findPlace(`Oh! ${decomposed}`, {
      ...hit,
      ...{ quote: 'Ära', word: 'Ära', start: at, end: at + 4, context: 'Hier wohnte Ära', contextStart: 12 },
    });
    expect(found?.word).toEqual({ start: at + 4, end: at + 8 });
  });

  it('is nowhere when the words around it are gone, or the word is', () => {
    expect(findPlace('Nobody says that a keeper is needed here.', hitOf('keeper', 1))).toBeUndefined();
    expect(findPlace(text.replaceAll('keeper', 'sailor'), hitOf('keeper'))).toBeUndefined();
    expect(findPlace('', hitOf('keeper'))).toBeUndefined();
    expect(findPlace('The timekeeper lit the lamp.', hitOf('keeper'))).toBeUndefined();
  });

  it('leaves the other word out where it is gone, and takes it where it stands near', () => {
    const hit = hitOf('It', 1, 'Anna');
    expect(findPlace(text.replace('Anna', 'Eve'), hit)?.other).toBeUndefined();
    const apart = text.replace('was Anna', 'was not Anna');
    expect(cut(apart, findPlace(apart, hit)?.other)).toBe('Anna');
  });
});

describe('a hit in the list', () => {
  it('marks its words in their context and says the score', () => {
    const { label, highlights, description } = written(hitOf('It', 1, 'Anna'));
    expect(highlights.map(([start, end]) => label.slice(start, end))).toEqual(['It', 'Anna']);
    expect(description).toBe('0.83');
  });

  it('names what the context does not show', () => {
    const { otherContextStart: _, ...far } = hitOf('It', 0, 'lamp');
    expect(written(far).description).toBe('0.83 · → lamp');
    const { otherContextStart: _a, otherStart: _b, otherEnd: _c, ...changed } = hitOf('It', 0, 'lamp');
    expect(written({ ...changed, word: 'She' }).description).toBe('0.83 · She → lamp');
  });

  const cutAt = (context: string, word: string, other?: string): Hit => {
    const { otherStart: _, otherEnd: _a, otherContextStart: _b, ...hit } = hitOf('It');
    const place = other === undefined ? undefined : context.indexOf(other);
    return {
      ...hit,
      ...{ context, word, quote: word, contextStart: context.lastIndexOf(word) },
      ...(other !== undefined && { other, otherStart: 0, otherEnd: 1 }),
      ...(place !== undefined && place >= 0 && { otherContextStart: place }),
    };
  };

  it('begins near its words, at a word, so that they are in sight where there is little room', () => {
    const context = 'would not fit in the suitcase because it was too big. Nobody in the room';
    const { label, highlights } = written(cutAt(context, 'it', 'because'));
    expect(label).toBe('…the suitcase because it was too big. Nobody in the room');
    expect(highlights.map(([start, end]) => label.slice(start, end))).toEqual(['because', 'it']);
    const early = 'Nobody had seen it before the train left.';
    expect(written(cutAt(early, 'it', 'Nobody')).label).toBe(early);
  });

  it('begins near the word itself where the one attended to is too far, and says which that is when it is cut off', () => {
    const context = 'would not fit in the suitcase because it was too big. Nobody in the room';
    const before = written(cutAt(context, 'it', 'would'));
    expect(before.label).toBe('…the suitcase because it was too big. Nobody in the room');
    expect(before.highlights.map(([start, end]) => before.label.slice(start, end))).toEqual(['it']);
    expect(before.description).toBe('0.83 · → would');
    const behind = written(cutAt(context, 'because', 'Nobody'));
    expect(behind.highlights.map(([start, end]) => behind.label.slice(start, end))).toEqual(['because', 'Nobody']);
    expect(behind.description).toBe('0.83');
    // A sign right before the cut is not the ellipsis.
    expect(written(cutAt(`(${'x'.repeat(30)}`, 'x'.repeat(30), '(')).highlights).toEqual([[1, 31]]);
  });

  it('splits no character and, where there are no spaces, no word', () => {
    const chinese = '老船长把他的旧大衣送给了水手，因为那天夜里海上的风非常冷，水手后来一直穿着它。';
    const clef = '\u{1D11E}';
    for (const [context, word] of [
      [chinese, '穿着'],
      [`${clef.repeat(40)}it`, 'it'],
      [`${'😀'.repeat(39)} it`, 'it'],
      ['x'.repeat(60), 'x'.repeat(60)],
      [`${'e\u0301'.repeat(40)} it`, 'it'],
      [`a ${'x'.repeat(60)}`, 'x'.repeat(60)],
    ] as const) {
      const { label, highlights } = written(cutAt(context, word));
      expect(highlights.map(([start, end]) => label.slice(start, end))).toEqual([word]);
      expect(context.endsWith(label.replace(/^…/, ''))).toBe(true);
      expect(() => encodeURIComponent(label)).not.toThrow();
      expect(highlights[0]?.[1]).toBeLessThanOrEqual(Math.max(24, word.length + 1));
    }
    expect(written(cutAt(chinese, '穿着')).label).toMatch(/^…冷，水手/);
  });

  it('marks a word that attends to itself once', () => {
    const hit = hitOf('lamp');
    expect(
      written({ ...hit, other: 'lamp', otherStart: hit.start, otherContextStart: hit.contextStart }).highlights,
    ).toHaveLength(1);
  });

  it('stands with the others of its document, in their order', () => {
    const [a, b] = [hitOf('keeper'), hitOf('lamp')];
    const elsewhere = { ...a, document: '/corpus/other.txt' };
    expect(grouped([a, elsewhere, b])).toEqual([
      { document: a.document, hits: [a, b] },
      { document: elsewhere.document, hits: [elsewhere] },
    ]);
  });
});

describe('what is typed', () => {
  it('is a head of the model or none', () => {
    const shape = { layers: 4, heads: 12 };
    expect(headOf(' 3.11 ', shape)).toEqual({ layer: 3, head: 11 });
    for (const text of ['4.0', '3.12', '3', '3.', '-1.0', '3.1.2', 'a.b', ''])
      expect(headOf(text, shape), text).toBeUndefined();
  });

  it('is a weight or none', () => {
    expect(['0', '1', '.3', '0,25', ' 0.5 '].map(weightOf)).toEqual([0, 1, 0.3, 0.25, 0.5]);
    for (const text of ['', '1.1', '-0.1', '1e-3', '30%', '.']) expect(weightOf(text), text).toBeUndefined();
  });

  it('may be the name of a class and mean itself', () => {
    expect(literal('number')).toBe('/(?i)^number$/');
    expect(literal('keeper')).toBe('keeper');
  });

  it('can be each class that the index knows', () => {
    const source = readFileSync(
      fileURLToPath(new URL('../../../server/AttentionLens.Corpora/Search/WordPattern.cs', import.meta.url)),
      'utf8',
    );
    const known = [...source.matchAll(/^ {8}\["(\w+)"\] =/gm)].map(match => match[1]);
    expect(known.length).toBeGreaterThan(5);
    expect([...wordClasses].sort()).toEqual(known.sort());
  });
});

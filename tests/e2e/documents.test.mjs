// What corpora come in, in the editor: tints stand on the words that the model reads, and on nothing else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openEditor } from './lib/editor.mjs';

let editor;
before(async () => {
  // The mean of a layer: the clearest head leaves most words of a short text bare.
  editor = await openEditor({ settings: { 'attentionLens.layer': 1, 'attentionLens.head': 'mean' } });
});
after(() => editor?.close());

/** The fills under each character of a text on the screen; undefined while it is not there. */
async function fills(text) {
  const marks = await editor.shadesOf(text, [{ start: 0, end: text.length }]);
  return marks?.[0].map(({ fill }) => fill);
}

const isTinted = async text => (await fills(text))?.every(Boolean) ?? false;
const isBare = async text => (await fills(text))?.every(fill => fill === null) ?? false;

for (const { file, cursor, tinted, bare } of [
  {
    file: 'messages.json',
    cursor: 'closed',
    tinted: ['closed', 'until', 'spring'],
    bare: ['"sender": "ada"', '"id": 1'],
  },
  {
    file: 'reviews.jsonl',
    cursor: 'waiter',
    tinted: ['soup', 'kind', 'mind'],
    bare: ['"label": "mixed"', '{"id": 1, "text": '],
  },
  { file: 'questions.csv', cursor: 'captain', tinted: ['call', 'old', 'map'], bare: ['id,question,answer'] },
]) {
  test(`${file}: text is tinted, its dress is not`, async () => {
    await editor.openFile(file);
    await editor.placeCursor(cursor);
    await editor.run('AttentionLens: Show Attention');
    for (const word of tinted) await editor.until(() => isTinted(word), Boolean, `${word} of ${file} is tinted`);
    for (const text of bare) assert(await isBare(text), `${text} of ${file} is not tinted`);
    await editor.run('AttentionLens: Clear Attention');
  });
}

test('two parallel files side by side: the line and its translation are tinted together, and the query crosses over', async () => {
  await editor.run('View: Close All Editors');
  await editor.openFile('parallel.en');
  await editor.run('View: Split Editor Right');
  await editor.openFile('parallel.de');
  const [english, german] = ['The whole village stood on the beach.', 'Das ganze Dorf stand am Strand.'];
  await editor.placeCursor('Dorf');
  await editor.run('AttentionLens: Show Attention');
  const someOf = async text => (await fills(text))?.some(Boolean) ?? false;
  await editor.until(() => someOf(german), Boolean, 'the line is tinted');
  const before = await editor.until(
    () => fills(english),
    seen => seen?.some(Boolean),
    'its translation is tinted',
  );
  assert(await isBare('The lamp was lit at last.'), 'and no other line');
  await editor.screenshot('side-by-side');
  // The cursor in the other file is the query for both.
  await editor.placeCursor('beach');
  await editor.until(
    () => fills(english),
    seen => seen?.some((fill, i) => fill !== before[i]),
    'the tints follow the other cursor',
  );
});

test('a selection in each of two editors is a pair', async () => {
  await editor.select('Endlich wurde');
  await editor.select('was lit');
  await editor.run('AttentionLens: Pair with the Other Editor');
  for (const text of ['Endlich wurde', 'was lit']) {
    await editor.until(async () => (await fills(text))?.some(Boolean), Boolean, `${text} is tinted`);
  }
  assert(await isBare('die Lampe'), 'nothing beside the selections');
});

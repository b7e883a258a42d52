// What corpora come in, in the editor: tints stand on the words that the model reads, and on nothing else.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { writeLargeSample } from '../../scripts/lib/large-sample.mjs';
import { dist, executableName } from '../../scripts/lib/paths.mjs';
import { openEditor } from './lib/editor.mjs';

let editor;
before(async () => {
  // The mean of a layer: the clearest head leaves most words of a short text bare.
  editor = await openEditor({
    settings: { 'attentionLens.layer': 1, 'attentionLens.head': 'mean' },
    prepare: async workspace => {
      await writeLargeSample(workspace);
      corpus(
        'run',
        path.join(workspace, 'coreference.txt'),
        '-o',
        path.join(workspace, 'searched'),
        '--keep',
        'heads,hidden',
      );
      corpus('index', path.join(workspace, 'searched'));
      attentionLens('attend', foreign, '--format', 'bertviz', '-o', path.join(workspace, 'foreign.json'));
    },
  });
});
after(() => editor?.close());

const attentionLens = (...args) => {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] };
  return execFileSync(path.join(dist, executableName), args, options);
};
const corpus = (...args) => attentionLens('corpus', ...args);

/** A text whose attention comes from a file. */
const foreign = 'The keys to the cabinet are on the table.';

/** The fills under each character of a text on the screen; undefined while it is not there. */
async function fills(wanted, occurrence = 0) {
  const { text, marks } = await editor.shades();
  let at = text.indexOf(wanted);
  for (let i = 0; i < occurrence && at >= 0; i++) at = text.indexOf(wanted, at + 1);
  return at < 0 ? undefined : marks.slice(at, at + wanted.length).map(({ fill }) => fill);
}

const isBare = async text => (await fills(text))?.every(fill => fill === null) ?? false;
/** A weight in the lowest bucket draws nothing, so of a stretch of text some characters are tinted, not all. */
const someOf = async (text, occurrence) => (await fills(text, occurrence))?.some(Boolean) ?? false;

/** For each format: a word to ask about, stretches of what the model reads, and of what only dresses it. */
const documents = [
  {
    file: 'messages.json',
    cursor: 'closed',
    read: ['The caf', 'by the pier said', 'closed until spring'],
    dress: ['"sender": "ada"', '"id": 1'],
  },
  {
    file: 'reviews.jsonl',
    cursor: 'waiter',
    read: ['The soup was cold', 'was so kind', 'did not mind'],
    dress: ['"label": "mixed"', '{"id": 1, "text": '],
  },
  {
    file: 'questions.csv',
    cursor: 'captain',
    read: ['What did the captain', 'the old chart', 'A map on which', 'was still marked'],
    dress: ['id,question,answer', '2,"'],
  },
  {
    file: 'pairs.tsv',
    cursor: 'asleep',
    read: ['The boy is asleep', 'Somebody is sleeping'],
    dress: ['premise', 'entailment'],
  },
  {
    file: 'translations.txt',
    cursor: 'lamp',
    read: ['The lamp was lit', 'Endlich wurde die Lampe'],
    dress: ['|||', 'The dog barked'],
  },
  {
    file: 'entities.conll',
    cursor: 'moved',
    read: ['Lindqvist', 'Uppsala', 'coast'],
    dress: ['-DOCSTART-', ' NNP B-NP B-PER'],
  },
  {
    file: 'trees.conllu',
    // The comment before the columns holds the sentence too.
    cursor: 'cabinet',
    occurrence: 1,
    read: ['keys', 'table'],
    dress: ['# sent_id = 1', 'Definite=Def|PronType=Art'],
  },
  {
    file: 'letter.xml',
    cursor: 'complained',
    read: ['the lamp burns again.', 'cleaned the lens', 'barked since'],
    dress: ['<persName>', '<hi rend="italic">', '<teiHeader>'],
  },
  {
    file: 'page.html',
    cursor: 'eleven',
    read: ['The light had been dark', 'years when the keeper', 'daughter came back'],
    dress: ['<em>', 'max-width: 40em', 'scripts are not prose'],
  },
  {
    file: 'reading-attention.md',
    cursor: 'neighbours',
    read: ['In the lower layers', 'many heads'],
    dress: ['# Reading attention'],
  },
  { file: 'attention.py', cursor: 'highest', read: ['max(scores)'], dress: ['from math import'] },
  {
    file: 'unicode.txt',
    cursor: 'scientist',
    read: ['is one letter typed as two', 'made of three code points'],
    dress: ['今天天气很好', 'Ein M'],
  },
  {
    file: 'windows.txt',
    cursor: 'byte',
    read: ['order mark', 'as Windows ends them'],
    dress: ['The second paragraph'],
  },
];

for (const { file, cursor, occurrence = 0, read, dress } of documents) {
  test(`${file}: text is tinted, its dress is not`, async () => {
    await editor.openFile(file);
    await editor.placeCursor(cursor, occurrence);
    await editor.run('AttentionLens: Show Attention');
    await editor.until(
      async () => (await fills(cursor, occurrence))?.every(Boolean),
      Boolean,
      `the word of the query in ${file} is tinted`,
    );
    for (const text of read)
      await editor.until(() => someOf(text, occurrence), Boolean, `${text} of ${file} is tinted`);
    for (const text of dress) assert(await isBare(text), `${text} of ${file} is not tinted`);
    assert.match(await editor.hover(cursor, 'layer', occurrence), /\d\.\d{3}/);
    await editor.screenshot(`document-${file}`);
    await editor.run('AttentionLens: Clear Attention');
    await editor.run('View: Close All Editors');
  });
}

test('five megabytes: the paragraph in the middle of the file is tinted, its neighbours are not', async () => {
  await editor.openFile('large.txt');
  await editor.page.keyboard.press('Control+g');
  await editor.page.locator('.quick-input-widget input').first().fill(':9001:4');
  await editor.page.keyboard.press('Enter');
  await editor.page.locator('.statusbar-item', { hasText: 'Ln 9001, Col 4' }).waitFor();
  await editor.run('AttentionLens: Show Attention');
  const tinted = await editor.until(
    async () => (await editor.shades()).marks.filter(({ fill }) => fill).length,
    count => count > 20,
    'tints in the large file',
  );
  const { text, marks } = await editor.shades();
  assert(tinted < text.length / 2, 'one paragraph of those on the screen');
  assert.equal(marks.findIndex(({ outline }) => outline) >= 0, true, 'the word at the cursor is outlined');
  await editor.screenshot('document-large');
  await editor.run('AttentionLens: Clear Attention');
});

test('a cell of a notebook is tinted like a document', async () => {
  await editor.page.keyboard.press('Control+p');
  await editor.page.locator('.quick-input-widget input').first().fill('attention-by-hand.ipynb');
  await editor.pick('attention-by-hand.ipynb');
  await editor.placeCursor('highest');
  await editor.run('AttentionLens: Show Attention');
  await editor.until(() => someOf('highest'), Boolean, 'a word of the cell is tinted');
  await editor.until(() => someOf('parts'), Boolean, 'another word of the cell is tinted');
  await editor.screenshot('document-notebook');
  await editor.run('AttentionLens: Clear Attention');
});

test('two parallel files side by side: the line and its translation are tinted together, and the query crosses over', async () => {
  await editor.run('View: Close All Editors');
  await editor.openFile('parallel.en');
  await editor.run('View: Split Editor Right');
  await editor.openFile('parallel.de');
  const [english, german] = ['The whole village stood on the beach.', 'Das ganze Dorf stand am Strand.'];
  await editor.placeCursor('Dorf');
  await editor.run('AttentionLens: Show Attention');
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
    await editor.until(() => someOf(text), Boolean, `${text} is tinted`);
  }
  assert(await isBare('die Lampe'), 'nothing beside the selections');
});

test('a corpus is searched: the hits are those of the command line, and one leads to its words in the document', async () => {
  const { page, workspace } = editor;
  await editor.run('View: Close All Editors');
  const question = ['--head', '0.0', '--from', 'pronoun', '--to', 'any', '--least', '0.3', '--limit', '1000'];
  const found = JSON.parse(corpus('search', path.join(workspace, 'searched'), ...question, '--format', 'json'));
  assert(found.length > 1 && found.length <= 100, `${found.length} hits: one page, and more than one`);
  const step = async (title, answer) => {
    await page.locator('.quick-input-title', { hasText: title }).waitFor();
    await page.locator('.quick-input-widget input').first().fill(answer);
    await page.keyboard.press('Enter');
  };
  await editor.run('AttentionLens: Open Corpus Index');
  await editor.pick('searched');
  await editor.pick('Where a head attends from one kind of word to another');
  await step('1 of 4', '0.0');
  await step('2 of 4', 'pronoun');
  await step('3 of 4', 'any');
  await step('4 of 4', '0.3');
  const view = page.locator('.pane', { hasText: 'Corpus Search' });
  await view.getByText(`${found.length} hits`).first().waitFor();
  const [{ context, contextStart, word }] = found;
  await editor.clickUntil(
    // A row may leave out what stands before its word, and other words have the same after them.
    view
      .locator('.monaco-list-row', { hasText: context.slice(contextStart) })
      .filter({ has: page.locator('.highlight', { hasText: word }) })
      .first(),
    page.locator('.tab.active[data-resource-name="coreference.txt"]'),
  );
  await page.locator('.statusbar-item', { hasText: `(${word.length} selected)` }).waitFor();
  await editor.until(
    async () => (await editor.shades()).marks.filter(({ outline }) => outline).length,
    count => count >= word.length,
    'the words of the hit are outlined',
  );
  await editor.screenshot('corpus-search');
});

test('attention from a file is a text like any other: tints, hover and the overview of its heads, without the file being run', async () => {
  const { page } = editor;
  await editor.run('View: Close All Editors');
  await editor.run('View: Show Explorer');
  await page.locator('.explorer-viewlet .monaco-list-row', { hasText: 'foreign.json' }).click({ button: 'right' });
  await page.locator('.monaco-menu .action-item', { hasText: 'Open Attention File' }).click();
  await page.locator('.tab[data-resource-name="foreign.json"]').waitFor();
  await editor.placeCursor('cabinet');
  await editor.until(
    async () => (await editor.shades()).marks.filter(({ fill }) => fill).length,
    count => count > 3,
    'words of the file are tinted',
  );
  assert.match(await editor.hover('cabinet', 'foreign.json'), /\d\.\d{3}/);
  const content = editor.panel().locator('#root');
  await content.waitFor();
  await editor.until(
    () => editor.pixels(content),
    seen => Object.keys(seen.colors).length >= 30,
    'the heads of the file',
  );
  await editor.screenshot('attention-file');
});

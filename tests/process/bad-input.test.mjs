// Bad input to the command line: one clear sentence and status 1; wrong usage: status 2; never a trace, a hang or a crash.

import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertRefused, attentionLens, fixture } from './lib/command-line.mjs';
import { safetensors } from './lib/safetensors.mjs';

const bert = fixture('oracle/bert');
const ids = ['--ids', '5 7 9'];
let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-bad-'));
});
after(() => rm(folder, { recursive: true }));

/** A copy of the BERT fixture to be damaged. */
async function copyOfBert(name) {
  const copy = path.join(folder, name);
  await mkdir(copy);
  for (const file of ['config.json', 'model.safetensors']) await copyFile(path.join(bert, file), path.join(copy, file));
  return copy;
}

const attend = (model, ...rest) => ['attend', '--model', model, ...(rest.length > 0 ? rest : ids)];

describe('model folders', () => {
  test('missing', () => assertRefused(attend(path.join(folder, 'nowhere')), /nowhere/));

  test('empty', async () => {
    await mkdir(path.join(folder, 'empty'));
    await assertRefused(attend(path.join(folder, 'empty')), /config\.json/);
  });

  test('a file, not a folder', () => assertRefused(attend(path.join(bert, 'config.json')), /config\.json/));

  test('no weights', async () => {
    const model = await copyOfBert('no-weights');
    await rm(path.join(model, 'model.safetensors'));
    await assertRefused(attend(model), /safetensors/);
  });

  test('a pickle is refused with the way to convert it', async () => {
    const model = await copyOfBert('pickle');
    await rm(path.join(model, 'model.safetensors'));
    await writeFile(path.join(model, 'pytorch_model.bin'), Buffer.from([0x80, 2, 0x2e]));
    const sentence = await assertRefused(attend(model), /pytorch_model\.bin/);
    assert.match(sentence, /safetensors/);
  });

  for (const [name, keep] of [
    ['empty', () => 0],
    ['cut inside the length', () => 5],
    ['cut inside the header', () => 100],
    ['cut inside the data', size => Math.floor(size / 2)],
    ['one byte short', size => size - 1],
  ]) {
    test(`weights ${name}`, async () => {
      const model = await copyOfBert(`truncated ${name}`);
      const file = path.join(model, 'model.safetensors');
      await truncate(file, keep((await readFile(file)).length));
      await assertRefused(attend(model), /model\.safetensors/);
    });
  }

  for (const [name, bytes] of [
    ['a header length beyond any file', Buffer.from('ffffffffffffff7f', 'hex')],
    ['a header that is not JSON', safetensors('{not json', Buffer.alloc(0))],
    ['a header that is a list', safetensors('[1,2]', Buffer.alloc(0))],
    [
      'offsets outside the file',
      safetensors({ w: { dtype: 'F32', shape: [4], data_offsets: [0, 1 << 30] } }, Buffer.alloc(16)),
    ],
    ['offsets backwards', safetensors({ w: { dtype: 'F32', shape: [4], data_offsets: [16, 0] } }, Buffer.alloc(16))],
    [
      'a shape that overflows',
      safetensors({ w: { dtype: 'F32', shape: [2 ** 31, 2 ** 31, 4], data_offsets: [0, 16] } }, Buffer.alloc(16)),
    ],
    [
      'a negative dimension',
      safetensors({ w: { dtype: 'F32', shape: [-4], data_offsets: [0, 16] } }, Buffer.alloc(16)),
    ],
    [
      'an unknown number type',
      safetensors({ w: { dtype: 'F7', shape: [4], data_offsets: [0, 16] } }, Buffer.alloc(16)),
    ],
    ['a very deep header', safetensors('{"w":'.repeat(5000), Buffer.alloc(0))],
    ['a web page in its place', Buffer.from('<!doctype html><title>404: Not Found</title>'.repeat(20))],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n')],
  ]) {
    test(`weights are ${name}`, async () => {
      const model = await copyOfBert(`weights ${name}`);
      await writeFile(path.join(model, 'model.safetensors'), bytes);
      await assertRefused(attend(model), /model\.safetensors/);
    });
  }

  test('a tensor of the wrong shape', async () => {
    const model = await copyOfBert('wrong-shape');
    await editConfig(model, config => {
      config.intermediate_size = (config.intermediate_size ?? 64) + 8;
    });
    await assertRefused(attend(model), /shape|\[\d+[,x× ]+\d+\]/);
  });

  test('more layers than there are weights', async () => {
    const model = await copyOfBert('more-layers');
    await editConfig(model, config => {
      config.num_hidden_layers += 1;
    });
    await assertRefused(attend(model), /layer/);
  });

  test('an unknown architecture is refused by name', async () => {
    const model = await copyOfBert('unknown');
    await editConfig(model, config => {
      config.model_type = 'hyena-dna';
      config.architectures = ['HyenaDna'];
    });
    await assertRefused(attend(model), /hyena-dna/);
  });

  test('an unknown activation is refused by name', async () => {
    const model = await copyOfBert('activation');
    await editConfig(model, config => {
      config.hidden_act = 'snake_beta';
    });
    await assertRefused(attend(model), /snake_beta/);
  });

  for (const [name, text] of [
    ['empty', ''],
    ['cut', '{"model_type": "bert", "hidden_size": 3'],
    ['a list', '[]'],
    ['null', 'null'],
    [
      'of wrong types',
      '{"model_type": "bert", "hidden_size": "many", "num_hidden_layers": 2, "num_attention_heads": 2}',
    ],
    [
      'with absurd sizes',
      '{"model_type": "bert", "hidden_size": 2147483647, "num_hidden_layers": 2147483647, "num_attention_heads": 1}',
    ],
    ['with no heads', '{"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 0}'],
    ['without a model type', '{"hidden_size": 32}'],
  ]) {
    test(`config.json is ${name}`, async () => {
      const model = await copyOfBert(`config ${name}`);
      await writeFile(path.join(model, 'config.json'), text);
      await assertRefused(attend(model), /\S/);
    });
  }

  test('no tokenizer, and text to tokenize', () => assertRefused(attend(bert, 'Some text.'), /tokenizer/i));

  test('a tokenizer that is not one', async () => {
    const model = await copyOfBert('tokenizer');
    await writeFile(path.join(model, 'tokenizer.json'), '{"model": {"type": "Martian"}}');
    await assertRefused(attend(model, 'Some text.'), /tokenizer\.json|Martian/);
  });

  test('a token id outside the vocabulary', () => assertRefused(attend(bert, '--ids', '5 99999999'), /99999999/));
  test('a negative token id', () => assertRefused(attend(bert, '--ids', '5 -3'), /-3/));
  test('more tokens than positions are read in windows, and that is said', async () => {
    const { status, stderr } = await attentionLens(attend(bert, '--ids', Array(300).fill('5').join(' ')));
    assert.equal(status, 0);
    assert.match(stderr, /^The text has 300 tokens and bert reads 64 at once: \d+ overlapping windows/);
  });
});

describe('texts for the embedded model', () => {
  const file = async (name, bytes) => {
    await writeFile(path.join(folder, name), bytes);
    return path.join(folder, name);
  };

  test('a missing file', () => assertRefused(['attend', '-f', path.join(folder, 'no.txt')], /no\.txt/));
  test('a folder', () => assertRefused(['attend', '-f', folder], new RegExp(path.basename(folder))));
  test('an empty text', () => assertRefused(['attend', ''], /text|empty/i));
  test('an empty file', async () => assertRefused(['attend', '-f', await file('empty.txt', '')], /empty|text/i));
  test('a binary file', async () =>
    assertRefused(
      ['attend', '-f', await file('binary.bin', Buffer.from('7f454c4602010100000000000000000003003e00', 'hex'))],
      /binary\.bin/,
    ));
  test('invalid UTF-8', async () =>
    assertRefused(['attend', '-f', await file('latin.txt', Buffer.from('caf\xe9 au lait', 'latin1'))], /UTF-8/));

  test('a line of a million characters', async () => {
    const name = await file('long.txt', 'the cat sat on the mat and '.repeat(40_000));
    const { status, signal, stdout, stderr } = await attentionLens(['attend', '-f', name, '--format', 'json']);
    assert.equal(signal, null);
    // Either it says that the text is too long, or it does what it can and says so; it never dies of it.
    if (status === 0) assert.doesNotThrow(() => JSON.parse(stdout));
    else {
      assert.equal(status, 1);
      assert.match(stderr, /long|token/i);
      assert.equal(stderr.trim().split('\n').length, 1);
    }
  });

  test('tokenize takes a million characters', async () => {
    const text = 'the cat sat on the mat and '.repeat(40_000);
    const { status, stdout, stderr } = await attentionLens([
      'tokenize',
      '-f',
      await file('long-tokens.txt', text),
      '--format',
      'json',
    ]);
    assert.equal(status, 0, stderr);
    const tokens = JSON.parse(stdout);
    assert(tokens.length > 100_000);
    for (const { start, end, special } of tokens) assert(special ? start === end : start < end && end <= text.length);
  });
});

describe('usage', () => {
  for (const args of [
    [],
    ['nonsense'],
    ['attend', '--no-such-option'],
    ['attend', 'text', '--layer', 'seven'],
    ['attend', 'text', '--format', 'papyrus'],
  ]) {
    test(`attention-lens ${args.join(' ')}`, async () => {
      const { status, stdout, stderr } = await attentionLens(args);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /\S/);
      assert.doesNotMatch(stderr, /Exception|^\s+at /m);
    });
  }

  for (const args of [
    ['attend', 'A text.', '--layer', '99'],
    ['attend', 'A text.', '--head', '99'],
  ]) {
    test(`a number out of range: ${args.join(' ')}`, () => assertRefused(args, /99/));
  }

  test('help goes to stdout with status 0', async () => {
    const { status, stdout } = await attentionLens(['--help']);
    assert.equal(status, 0);
    assert.match(stdout, /attend/);
    assert.match(stdout, /tokenize/);
  });
});

async function editConfig(model, change) {
  const file = path.join(model, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  change(config);
  await writeFile(file, JSON.stringify(config));
}

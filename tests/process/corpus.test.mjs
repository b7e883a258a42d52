// Runs of a corpus as other programs read them: NumPy, and TensorBoard's files by a reader written from the formats' own
// descriptions (TFRecord with masked CRC-32C; Event, Summary and TensorProto messages). And one run on many processes, over
// a real RabbitMQ that is killed like the workers.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inflateSync } from 'node:zlib';
import { root } from '../../scripts/lib/paths.mjs';
import { ensurePrograms } from '../../scripts/lib/requirements.mjs';
import { assertRefused, assertSentence, attentionLens, executable } from './lib/command-line.mjs';
import { RabbitMQ } from './lib/rabbitmq.mjs';

const limit = { timeout: 300_000 };
/** Debian's: another python3 on the path has modules of its own. */
const python = '/usr/bin/python3';
const onlyLinux = process.platform !== 'linux' && 'what this needs is installed from Debian packages';

let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-corpus-'));
  await good(
    'corpus',
    'run',
    sample('lighthouse.txt'),
    sample('chinese.txt'),
    '-o',
    at('run'),
    ...['--keep', 'profiles,received,heads,hidden'],
  );
});
after(() => rm(folder, { recursive: true, force: true }));

const at = name => path.join(folder, name);
const sample = name => path.join(root, 'samples', name);

async function good(...args) {
  const { status, stderr } = await attentionLens(args, { timeout: 600_000 });
  assert.equal(status, 0, stderr);
}

const runPython = (...args) =>
  promisify(execFile)(python, args, { cwd: folder, timeout: 240_000 }).then(({ stdout }) => stdout);

/** CRC-32C (Castagnoli), bit by bit, as RFC 3720 gives its polynomial, reflected. */
function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const masked = bytes => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

/** The records of a TFRecord file, each checked. */
function* records(bytes) {
  for (let place = 0; place < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(place));
    assert.equal(bytes.readUInt32LE(place + 8), masked(bytes.subarray(place, place + 8)), 'checksum of a length');
    const data = bytes.subarray(place + 12, place + 12 + length);
    assert.equal(bytes.readUInt32LE(place + 12 + length), masked(data), 'checksum of a record');
    yield data;
    place += 16 + length;
  }
}

/** The fields of a protocol buffer message: number -> values. */
function message(bytes) {
  const fields = {};
  let place = 0;
  const take = count => {
    place += count;
    return bytes.subarray(place - count, place);
  };
  const varint = () => {
    for (let [value, shift] = [0n, 0n]; ; shift += 7n) {
      const [byte] = take(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value);
    }
  };
  const readers = {
    0: varint,
    1: () => take(8).readDoubleLE(),
    2: () => take(varint()),
    5: () => take(4).readFloatLE(),
  };
  while (place < bytes.length) {
    const key = varint();
    fields[key >> 3] ??= [];
    fields[key >> 3].push(readers[key & 7]());
  }
  return fields;
}

/** The size and the pixels of an RGB PNG whose lines are not filtered. */
function pixelsOf(png) {
  assert.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  let [width, height] = [0, 0];
  const data = [];
  for (let place = 8; place < png.length; ) {
    const length = png.readUInt32BE(place);
    const kind = png.toString('latin1', place + 4, place + 8);
    if (kind === 'IHDR') [width, height] = [png.readUInt32BE(place + 8), png.readUInt32BE(place + 12)];
    if (kind === 'IDAT') data.push(png.subarray(place + 8, place + 8 + length));
    place += 12 + length;
  }
  const lines = inflateSync(Buffer.concat(data));
  assert.equal(lines.length, height * (1 + 3 * width));
  return { width, height, at: (x, y) => [...lines.subarray(y * (1 + 3 * width) + 1 + 3 * x).subarray(0, 3)] };
}

async function items() {
  const lines = (await readFile(at('run/shard-00000.jsonl'), 'utf8')).trim().split('\n');
  return lines.map(line => JSON.parse(line));
}

describe('TensorBoard', () => {
  const events = [];
  before(async () => {
    await good('corpus', 'tensorboard', at('run'), '-o', at('log'), '--texts', '2', '--points', '50', '--step', '700');
    const [name] = (await readdir(at('log'))).filter(file => file.includes('tfevents'));
    for (const record of records(await readFile(at(`log/${name}`)))) events.push(message(record));
  });

  const values = plugin =>
    events
      .slice(1)
      .flatMap(event => (event[5] ?? []).flatMap(summary => message(summary)[1].map(message)))
      .filter(plugin);
  const tag = value => value[1][0].toString();

  test('begins as its readers expect, and stands at the step', () => {
    assert.equal(events[0][3][0].toString(), 'brain.Event:2');
    assert(events.slice(1).every(event => event[2][0] === 700 && event[1][0] > 1.6e9));
  });

  test('scalars are the mean profiles', limit, async () => {
    const scalars = new Map(values(value => value[2]).map(value => [tag(value), value[2][0]]));
    assert.equal(scalars.size, 9 * 16);
    const { shape, mean } = await profiles();
    assert.deepEqual(shape, [4, 4, 9]);
    for (const [measure, name] of ['entropy', 'normalized_entropy', 'max'].entries())
      assert(Math.abs(scalars.get(`${name}/2.3`) - mean[(2 * 4 + 3) * 9 + measure]) < 1e-5, name);
  });

  async function profiles() {
    const bytes = await readFile(at('run/shard-00000.safetensors'));
    const size = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + size));
    const all = Object.entries(header).filter(([name]) => name.endsWith('.profiles'));
    const mean = new Array(144).fill(0);
    for (const [, { data_offsets: place }] of all)
      for (let i = 0; i < 144; i++) mean[i] += bytes.readFloatLE(8 + size + place[0] + 4 * i) / all.length;
    return { shape: all[0][1].shape, mean };
  }

  test('images are the heads of the first texts', limit, async () => {
    const images = values(value => value[4]);
    assert.equal(images.length, 2 * 16);
    const [first] = await items();
    const n = first.tokens.length;
    const weights = await firstHead(n);
    const image = message(images.find(value => tag(value) === 'attention 0.0/0')[4][0]);
    const picture = pixelsOf(image[4][0]);
    assert.deepEqual([picture.height, picture.width, 3], [image[1][0], image[2][0], image[3][0]]);
    const cell = picture.width / n;
    // The colour map is dark where there is nothing and bright where the weight is.
    const light = (query, key) => picture.at(key * cell, query * cell).reduce((a, b) => a + b);
    const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]);
    const [strong, weak] = [order[0], order.at(-1)].map(i => light(Math.floor(i / n), i % n));
    assert(strong > weak, `${strong} is not brighter than ${weak}`);
  });

  async function firstHead(n) {
    const bytes = await readFile(at('run/shard-00000.safetensors'));
    const size = Number(bytes.readBigUInt64LE(0));
    const { data_offsets: place } = JSON.parse(bytes.toString('utf8', 8, 8 + size))['0.attention.0.0'];
    return Array.from({ length: n * n }, (_, i) => bytes.readFloatLE(8 + size + place[0] + 4 * i));
  }

  test('texts are Markdown that the text dashboard reads', async () => {
    const texts = values(value => value[8]);
    const [first] = await items();
    for (const value of texts) {
      assert.equal(message(message(value[9][0])[1][0])[1][0].toString(), 'text', 'the plugin');
      assert.equal(message(value[8][0])[1][0], 7, 'strings');
    }
    const text = message(texts.find(value => tag(value) === 'texts/0')[8][0])[8][0].toString();
    assert(
      text.includes(
        first.tokens
          .slice(1, 6)
          .map(token => `\`${token}\``)
          .join(' '),
      ),
      text,
    );
    assert.match(
      message(texts.find(value => tag(value) === 'run')[8][0])[8][0].toString(),
      /\| model \| mini-encoder \|/,
    );
  });

  test('the projector has a vector and a line for each token', async () => {
    const config = await readFile(at('log/projector_config.pbtxt'), 'utf8');
    const [, vectors] = /tensor_path: "(.*)"/.exec(config);
    const [, names] = /metadata_path: "(.*)"/.exec(config);
    const rows = (await readFile(at(`log/${vectors}`), 'utf8'))
      .trimEnd()
      .split('\n')
      .map(line => line.split('\t'));
    const lines = (await readFile(at(`log/${names}`), 'utf8'))
      .trimEnd()
      .split('\n')
      .map(line => line.split('\t'));
    assert.equal(rows.length, 50);
    assert.equal(lines.length, 51);
    assert(rows.every(row => row.length === rows[0].length && row.every(value => Number.isFinite(Number(value)))));
    assert(lines.every(line => line.length === 4));
    assert.deepEqual(lines[1].slice(0, 2), [(await items())[0].tokens[1], '0:0']);
  });
});

describe('NumPy', { skip: onlyLinux }, () => {
  before(() => ensurePrograms('numpy'), limit);

  test('reads an NPZ, and what NumPy writes is shown', limit, async () => {
    await good('attend', 'The cat sat on 小猫.', '--format', 'npz', '-o', at('a.npz'));
    const seen = JSON.parse(
      await runPython(
        '-c',
        [
          'import json, numpy as np',
          "a = np.load('a.npz')",
          "layers = [a[f'attentions.{i}'] for i in range(4)]",
          "print(json.dumps({'tokens': a['tokens'].tolist(), 'shape': layers[0].shape, 'sums': float(abs(np.stack(layers).sum(-1) - 1).max()), 'type': str(layers[0].dtype)}))",
          // As another program would have it: all layers in one array, half precision, compressed.
          "np.savez_compressed('b.npz', attentions=np.stack(layers)[:, None].astype('<f2'), tokens=a['tokens'])",
          "np.savez('objects.npz', attentions=np.stack(layers), tokens=np.array(a['tokens'], dtype=object))",
        ].join('\n'),
      ),
    );
    assert.equal(seen.tokens[0], '[CLS]');
    assert.deepEqual(seen.shape, [4, seen.tokens.length, seen.tokens.length]);
    assert.equal(seen.type, 'float32');
    assert(seen.sums < 1e-5, `rows sum to 1 but for ${seen.sums}`);
    const { stdout } = await attentionLens([
      'attend',
      '--from',
      at('b.npz'),
      '--format',
      'json',
      '--layer',
      '1',
      '--head',
      '2',
    ]);
    const stack = JSON.parse(stdout).stacks[0];
    assert.deepEqual(
      stack.queries.map(token => token.text),
      seen.tokens,
    );
    const [row] = stack.layers[0].heads[0].rows;
    assert(Math.abs(row.reduce((a, b) => a + b) - 1) < 0.01);
    const { status, stderr } = await attentionLens(['attend', '--from', at('objects.npz')]);
    assert.equal(status, 1);
    assert.match(stderr, /pickle.*\.\n$/);
  });

  test('loads a run as the page says', limit, async () => {
    const page = await readFile(path.join(root, 'docs/corpora.md'), 'utf8');
    const [, snippet] = /```python\n([\s\S]*?)```/.exec(page);
    await writeFile(at('load.py'), snippet);
    const shown = await runPython('load.py');
    const [first] = await items();
    assert(shown.includes(`'${first.tokens[1]}'`), shown);
  });

  test('and into pandas', limit, async () => {
    const page = await readFile(path.join(root, 'docs/corpora.md'), 'utf8');
    const snippets = [...page.matchAll(/```python\n([\s\S]*?)```/g)].map(([, code]) => code);
    const table = snippets.find(code => code.includes('pandas'));
    await writeFile(at('table.py'), snippets[0] + table);
    // The comma is the token that receives most there.
    const commas = (await items()).flatMap(item => item.tokens).filter(token => token === ',').length;
    assert.match(await runPython('table.py'), new RegExp(`^, +0\\.\\d+ +${commas}$`, 'm'));
  });
});

describe('many machines', { skip: onlyLinux }, () => {
  const workers = new Set();
  let rabbit;
  before(async () => {
    await ensurePrograms('rabbitmq');
    rabbit = await RabbitMQ.create();
    await rabbit.start();
  }, limit);
  after(async () => {
    for (const worker of workers) worker.child.kill('SIGKILL');
    await rabbit?.dispose();
  });

  /** A process that runs on; its output so far and its end. */
  function start(...args) {
    const child = spawn(executable, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const process = { child, out: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', text => {
        process.out += text;
      });
    process.ended = new Promise(resolve => child.once('close', status => resolve(status)));
    process.ended.then(() => workers.delete(process));
    workers.add(process);
    return process;
  }

  const worker = () => start('corpus', 'worker', '--broker', rabbit.url);

  async function until(condition, what) {
    for (let tries = 0; !(await condition()); tries++) {
      assert(tries < 3000, `waited for ${what}`);
      await delay(50);
    }
  }

  const shards = async name =>
    (await readdir(at(name)).catch(() => [])).filter(file => file.endsWith('.safetensors')).length;

  /** Every file of a run but what a killed process left half-written. */
  async function contents(name) {
    const files = (await readdir(at(name))).filter(file => !file.endsWith('.tmp')).sort();
    return Promise.all(
      files.map(async file => [
        file,
        createHash('sha256')
          .update(await readFile(at(`${name}/${file}`)))
          .digest('hex'),
      ]),
    );
  }

  async function corpus(name, lines) {
    const text = await readFile(sample('lighthouse.txt'), 'utf8');
    const sentences = text.replaceAll('\n', ' ').split('. ');
    await writeFile(
      at(name),
      Array.from({ length: lines }, (_, i) =>
        JSON.stringify({ text: `${i}. ${sentences[i % sentences.length]}.` }),
      ).join('\n'),
    );
    return at(name);
  }

  const options = ['--shard-bytes', '700', '--keep', 'profiles,received,edges'];

  test('killed workers and a restarted broker: nothing lost, nothing doubled, the same bytes', {
    timeout: 900_000,
  }, async t => {
    const file = await corpus('many.jsonl', 700);
    await good('corpus', 'run', file, '-o', at('alone'), ...options);
    const total = await shards('alone');
    const run = start('corpus', 'run', file, '-o', at('spread'), ...options, '--broker', rabbit.url);
    // Each time all workers are killed with shards in hand, so that nothing goes on before the next ones come.
    const seen = [];
    for (const wanted of [3, 10]) {
      const running = [worker(), worker()];
      await until(async () => (await shards('spread')) >= wanted, `${wanted} shards`);
      for (const { child } of running) child.kill('SIGKILL');
      await Promise.all(running.map(({ ended }) => ended));
      seen.push(await shards('spread'));
      assert(seen.at(-1) < total, 'killed in mid-run');
    }
    // The broker under their hands: they wait for it, and so does the run.
    const running = [worker(), worker()];
    await until(async () => (await shards('spread')) > seen.at(-1), 'one more shard');
    await rabbit.kill();
    seen.push(await shards('spread'));
    assert(seen.at(-1) < total, 'the broker was killed in mid-run');
    await rabbit.start();
    // One that goes home in order: what it has goes back.
    const [leaving] = running.splice(0, 1);
    leaving.child.kill('SIGTERM');
    running.push(worker());
    assert.equal(await run.ended, 0, run.out);
    assert.match(run.out, new RegExp(`All ${total} shards are in`));
    assert.deepEqual(await contents('spread'), await contents('alone'));
    assert(
      running.every(({ child }) => child.exitCode === null),
      `workers go on: ${running.map(({ out }) => out)}`,
    );
    for (const { child } of running) child.kill('SIGTERM');
    t.diagnostic(`${total} shards; kill -9 at ${seen.join(', ')}`);
  });

  test(
    'a shard that no worker can make is given up, the others are made, and the same command tries it again',
    limit,
    async () => {
      const [good1, bad] = [await corpus('whole.jsonl', 60), await corpus('cut.jsonl', 20)];
      const text = await readFile(bad);
      const args = ['corpus', 'run', good1, bad, '-o', at('poisoned'), ...options, '--broker', rabbit.url];
      const run = start(...args);
      await until(() => existsSync(at('poisoned/run.json')), 'the plan');
      await writeFile(bad, text.subarray(0, 100));
      const one = start('corpus', 'worker', '--broker', rabbit.url, '--idle', '20');
      assert.equal(await run.ended, 1, run.out);
      assert.match(run.out, /shards could not be made .*tries them again\.\n$/);
      assert.match(one.out, /shorter than it was/);
      const made = await shards('poisoned');
      assert(made > 0);
      await writeFile(bad, text);
      const again = start(...args);
      assert.equal(await again.ended, 0, again.out);
      assert((await shards('poisoned')) > made);
      assert.equal(await one.ended, 0, one.out);
    },
  );

  test('what is wrong is said in a sentence', limit, async () => {
    await assertRefused(
      ['corpus', 'worker', '--broker', 'amqp://guest:guest@127.0.0.1:1/'],
      /No broker answers at 127\.0\.0\.1:1/,
    );
    await assertRefused(
      ['corpus', 'worker', '--broker', rabbit.url.replace('guest:guest', 'guest:wrong')],
      /does not accept this user/,
    );
    const { status, stderr } = await attentionLens(['corpus', 'worker', '--broker', 'localhost']);
    assert.equal(status, 2);
    assertSentence(stderr, /amqp:\/\//);
  });
});

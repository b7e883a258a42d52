// One corpus twice: by `corpus run` on one machine, and by four worker processes over a real RabbitMQ, one of which is killed (kill -9) and replaced
// every so often, and the broker killed and started again in mid-run. Every byte of the two runs is compared.
//
//   node benchmarks/corpus/workers.mjs MODEL FILE [--bytes N] [--workers 4] [--kill-every SECONDS] [--keep NAMES] [--unit paragraph]
//
// MODEL is a folder. Of FILE, text or JSON Lines, the first N bytes are taken (all when left out). Needs `npm run build`, and rabbitmq-server
// (Debian's package).

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { executable } from '../../tests/process/lib/command-line.mjs';
import { RabbitMQ } from '../../tests/process/lib/rabbitmq.mjs';
import { beginning, memoryOf } from './lib.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bytes: { type: 'string' },
    workers: { type: 'string', default: '4' },
    'kill-every': { type: 'string', default: '30' },
    keep: { type: 'string', default: 'profiles' },
    unit: { type: 'string', default: 'paragraph' },
  },
});
const [model, file] = positionals.map(name => path.resolve(name));
if (!file) {
  console.error('usage: node benchmarks/corpus/workers.mjs MODEL FILE [--bytes N] [--workers 4] [--kill-every SECONDS] [--keep NAMES] [--unit paragraph]');
  process.exit(1);
}

const folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-corpus-'));
const children = new Set();
let rabbit;
try {
  const corpus = await beginning(file, values.bytes, folder);
  const options = ['-m', model, '--keep', values.keep, '--unit', values.unit];
  console.log(`${path.basename(file)}, ${((await stat(corpus)).size / 1e6).toFixed(1)} MB; ${path.basename(model)}; ${values.keep}`);

  let from = performance.now();
  const seconds = () => Math.round((performance.now() - from) / 1000);
  const alone = start('corpus', 'run', corpus, '-o', path.join(folder, 'alone'), ...options);
  const memory = memoryOf(alone.child);
  await good(alone);
  console.log(`one process: ${seconds()} s, memory by quarters ${memory().join(', ')} MB. ${alone.out.trim().split('\n').at(-1)}`);

  rabbit = await RabbitMQ.create();
  await rabbit.start();
  from = performance.now();
  const spread = path.join(folder, 'spread');
  const run = start('corpus', 'run', corpus, '-o', spread, ...options, '--broker', rabbit.url);
  const worker = () => start('corpus', 'worker', '--broker', rabbit.url, '--workers', '1');
  const workers = Array.from({ length: Number(values.workers) }, worker);
  const total = (await contents(path.join(folder, 'alone'))).filter(([name]) => name.endsWith('.safetensors')).length;
  const done = async () => (await readdir(spread).catch(() => [])).filter(name => name.endsWith('.safetensors')).length;
  let [kills, isRestarted, isOver] = [0, false, false];
  run.ended.then(() => {
    isOver = true;
  });
  for (let next = Number(values['kill-every']); !isOver; await delay(500)) {
    if (seconds() >= next) {
      const [victim] = workers.splice(kills % workers.length, 1);
      victim.child.kill('SIGKILL');
      await victim.ended;
      workers.push(worker());
      kills++;
      next = seconds() + Number(values['kill-every']);
    }
    if (!isRestarted && (await done()) > total / 2) {
      isRestarted = true;
      await rabbit.kill();
      await rabbit.start();
    }
  }
  await good(run);
  console.log(`${values.workers} processes over RabbitMQ: ${seconds()} s, ${kills} workers killed, the broker ${isRestarted ? 'killed and started again once' : 'left alone'}`);
  for (const { child } of workers) child.kill('SIGTERM');

  const [one, other] = [await contents(path.join(folder, 'alone')), await contents(spread)];
  const different = one.filter(([name, hash], i) => other[i]?.[0] !== name || other[i]?.[1] !== hash);
  console.log(`${one.length} files of ${total} shards: ${different.length === 0 && one.length === other.length ? 'every byte is the same' : `${different.length} DIFFER`}`);
  if (different.length > 0 || one.length !== other.length) process.exitCode = 1;
} finally {
  for (const child of children) child.kill('SIGKILL');
  await rabbit?.dispose();
  await rm(folder, { recursive: true, force: true });
}

function start(...args) {
  const child = spawn(executable, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const started = { child, out: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', text => {
      started.out = (started.out + text).slice(-4000);
    });
  started.ended = new Promise(resolve => child.once('close', status => resolve(status)));
  started.ended.then(() => children.delete(child));
  return started;
}

async function good(started) {
  const { child, ended } = started;
  const status = await ended;
  if (status !== 0) throw new Error(`${child.spawnargs.slice(1, 3).join(' ')} ended with ${status}: ${started.out}`);
}

/** Name and SHA-256 of every file but what a killed process left half-written. */
async function contents(run) {
  const names = (await readdir(run)).filter(name => !name.endsWith('.tmp')).sort();
  const hashes = [];
  for (const name of names) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(path.join(run, name)), hash);
    hashes.push([name, hash.digest('hex')]);
  }
  return hashes;
}

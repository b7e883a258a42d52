// `attention-lens corpus run` over a corpus: its throughput beside what the engine alone does with the same texts, in turns in one run, the memory of
// the process over its time, and the bytes it writes.
//
//   node benchmarks/corpus/throughput.mjs MODEL FILE [--bytes N] [--rounds N] [--keep NAMES ...] [--unit paragraph]
//
// MODEL is a folder. Of FILE, text or JSON Lines, the first N bytes are taken (all when left out). Needs `npm run build`, and
// `dotnet build -c Release benchmarks/AttentionLens.Benchmarks`.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../scripts/lib/paths.mjs';
import { executable } from '../../tests/process/lib/command-line.mjs';
import { beginning, memoryOf } from './lib.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bytes: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    unit: { type: 'string', default: 'paragraph' },
    keep: { type: 'string', multiple: true, default: ['profiles', 'profiles,received'] },
  },
});
const [model, file] = positionals.map(name => path.resolve(name));
if (!file) {
  console.error('usage: node benchmarks/corpus/throughput.mjs MODEL FILE [--bytes N] [--rounds N] [--keep NAMES ...] [--unit paragraph]');
  process.exit(1);
}

const program = path.join(root, 'benchmarks/AttentionLens.Benchmarks/bin/Release/net10.0/AttentionLens.Benchmarks.dll');
const folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-corpus-'));
try {
  const corpus = await beginning(file, values.bytes, folder);
  const megabytes = (await stat(corpus)).size / 1e6;
  console.log(`${path.basename(file)}, ${megabytes.toFixed(1)} MB; ${path.basename(model)}`);
  console.log('| kept | tokens | run, tokens/s | engine alone | share | written, bytes/token | memory by quarters, MB |');
  console.log('|---|---:|---:|---:|---:|---:|---|');
  for (const keep of values.keep) {
    const rounds = [];
    for (let round = 0; round < Number(values.rounds); round++) rounds.push(await measure(corpus, keep));
    const middle = of => rounds.map(of).sort((a, b) => a - b)[Math.floor(rounds.length / 2)];
    const [run, alone, share] = [middle(r => r.run), middle(r => r.alone), middle(r => r.run / r.alone)];
    const { tokens, bytes, memory } = rounds[0];
    console.log(
      `| ${keep} | ${tokens} | ${run.toFixed(0)} | ${alone.toFixed(0)} | ${(share * 100).toFixed(0)} % | ${(bytes / tokens).toFixed(1)} | ${memory.join(', ')} |`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(corpus, keep) {
  const out = path.join(folder, 'run');
  const { seconds, memory } = await run(corpus, keep, out);
  const alone = JSON.parse(execFileSync('dotnet', [program, 'forward', model, out, ...keep.split(',')], { encoding: 'utf8' }));
  let bytes = 0;
  for (const name of await readdir(out)) bytes += (await stat(path.join(out, name))).size;
  await rm(out, { recursive: true });
  return { tokens: alone.tokens, run: alone.tokens / seconds, alone: alone.tokens / alone.seconds, bytes, memory };
}

/** Seconds from start to end, and the largest resident set in each quarter of them. */
async function run(corpus, keep, out) {
  const from = performance.now();
  const child = spawn(executable, ['corpus', 'run', corpus, '-o', out, '-m', model, '--keep', keep, '--unit', values.unit], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const memory = memoryOf(child);
  const code = await new Promise(resolve => child.once('exit', resolve));
  if (code !== 0) throw new Error(`corpus run ended with ${code}`);
  return { seconds: (performance.now() - from) / 1000, memory: memory() };
}

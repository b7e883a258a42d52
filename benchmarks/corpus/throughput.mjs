// `attention-lens corpus run` over a corpus: its throughput beside what the engine alone does with the same texts, in turns in one run, the memory of
// the process over its time, and the bytes it writes.
//
//   node benchmarks/corpus/throughput.mjs MODEL FILE [--bytes N] [--rounds N] [--keep NAMES ...]
//
// MODEL is a folder. Of FILE, text or JSON Lines, the first N bytes are taken (all when left out). Needs `npm run build`, and
// `dotnet build -c Release benchmarks/AttentionLens.Benchmarks`.

import { execFileSync, spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { dist, executableName, root } from '../../scripts/lib/paths.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bytes: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    keep: { type: 'string', multiple: true, default: ['profiles', 'profiles,received'] },
  },
});
const [model, file] = positionals.map(name => path.resolve(name));
if (!file) {
  console.error('usage: node benchmarks/corpus/throughput.mjs MODEL FILE [--bytes N] [--rounds N] [--keep NAMES ...]');
  process.exit(1);
}

const program = path.join(root, 'benchmarks/AttentionLens.Benchmarks/bin/Release/net10.0/AttentionLens.Benchmarks.dll');
const folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-corpus-'));
try {
  const corpus = path.join(folder, `corpus${path.extname(file)}`);
  const end = values.bytes ? Number(values.bytes) - 1 : undefined;
  await pipeline(createReadStream(file, { end }), createWriteStream(corpus));
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
  const alone = JSON.parse(execFileSync('dotnet', [program, 'forward', model, out], { encoding: 'utf8' }));
  let bytes = 0;
  for (const name of await readdir(out)) bytes += (await stat(path.join(out, name))).size;
  await rm(out, { recursive: true });
  return { tokens: alone.tokens, run: alone.tokens / seconds, alone: alone.tokens / alone.seconds, bytes, memory };
}

/** Seconds from start to end, and the largest resident set in each quarter of them. */
async function run(corpus, keep, out) {
  const from = performance.now();
  const child = spawn(path.join(dist, executableName), ['corpus', 'run', corpus, '-o', out, '-m', model, '--keep', keep], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const samples = [];
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    const resident = /VmRSS:\s+(\d+)/.exec(status);
    if (resident) samples.push(Number(resident[1]) / 1024);
  }, 500);
  const code = await new Promise(resolve => child.once('exit', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`corpus run ended with ${code}`);
  const quarter = i => samples.slice((i * samples.length) / 4, ((i + 1) * samples.length) / 4);
  return {
    seconds: (performance.now() - from) / 1000,
    memory: [0, 1, 2, 3].map(i => Math.round(Math.max(...quarter(i)))),
  };
}

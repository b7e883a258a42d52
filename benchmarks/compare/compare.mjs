// Attention Lens beside PyTorch and ONNX Runtime: the same random weights, the same ids, every attention weight available afterwards.
//
//   (cd benchmarks/compare && npm install --ignore-scripts)   the CPU build is in the package; its script would fetch CUDA
//   node benchmarks/compare/compare.mjs [--model bert-base,minilm-l6,gpt2] [--threads 1,2] [--tokens 16,64,128,256,512] [--rounds 5] [--folder DIR]
//
// Needs python3 with torch (Debian: python3-torch, libopenblas0-openmp; --python names another interpreter). The peers take turns, a few runs
// each, round after round, so that what else the machine does meets all of them; the table gives the median over all runs, and the best.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const here = import.meta.dirname;
const root = path.join(here, '..', '..');
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'bert-base,minilm-l6,gpt2' },
    threads: { type: 'string', default: '1,2' },
    tokens: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: path.join(os.tmpdir(), 'attention-lens-bench') },
    python: { type: 'string', default: 'python3' },
  },
});

const program = path.join(root, 'benchmarks/AttentionLens.Benchmarks/bin/Release/net10.0/AttentionLens.Benchmarks.dll');
if (!existsSync(program)) {
  run('dotnet', ['build', '-c', 'Release', path.join(root, 'benchmarks/AttentionLens.Benchmarks')]);
}

// Multiply-adds of the linear maps and of attention, and the bytes of weights that a pass reads at least once.
const shapes = {
  'bert-base': { width: 768, layers: 12, vocabulary: 30522 },
  'minilm-l6': { width: 384, layers: 6, vocabulary: 30522 },
  gpt2: { width: 768, layers: 12, vocabulary: 50257 },
};

class Peer {
  #process;
  #lines;

  constructor(name, command, args, env) {
    this.#process = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.on('error', error => {
      throw new Error(`${name} does not start: ${error.message}`);
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async next() {
    const { value, done } = await this.#lines.next();
    if (done) {
      throw new Error('A peer ended early; its message stands above.');
    }
    return JSON.parse(value);
  }

  ask(request) {
    this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    return this.next();
  }

  end() {
    this.#process.stdin.end();
  }
}

console.log(`${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.version}`);
for (const name of values.model.split(',')) {
  const folder = path.join(values.folder, name);
  const graph = path.join(values.folder, `${name}.onnx`);
  if (!existsSync(path.join(folder, 'model.safetensors'))) {
    run('dotnet', [program, 'make', name, folder]);
  }
  if (!existsSync(graph)) {
    run(values.python, [path.join(here, 'peer_torch.py'), folder, '--onnx', graph]);
  }
  for (const threads of values.threads.split(',').map(Number)) {
    await compare(name, folder, graph, threads);
  }
}

async function compare(name, folder, graph, threads) {
  const environment = { ...process.env, OMP_NUM_THREADS: `${threads}`, OPENBLAS_NUM_THREADS: `${threads}` };
  const shape = shapes[name];
  const peers = [
    new Peer('Attention Lens', 'dotnet', [program, 'peer', folder, `${threads}`], environment),
    new Peer('ONNX Runtime', process.execPath, [path.join(here, 'peer-onnx.mjs'), graph, `${threads}`, `${shape.vocabulary}`], environment),
    new Peer('PyTorch', values.python, [path.join(here, 'peer_torch.py'), folder], environment),
  ];
  try {
    const [ours, onnx, torch] = await Promise.all(peers.map(peer => peer.next()));
    console.log(`\n### ${name}, ${threads} thread${threads > 1 ? 's' : ''}\n`);
    console.log(`${ours.version}, ONNX Runtime ${onnx.version}, PyTorch ${torch.version}\n`);
    console.log('| tokens | Attention Lens, ms (best) | ONNX Runtime | PyTorch | limit, ms | ours / limit (best) |');
    console.log('|---:|---:|---:|---:|---:|---:|');
    const lengths = values.tokens?.split(',').map(Number) ?? (name === 'gpt2' ? [1024] : [16, 64, 128, 256, 512]);
    const peaks = { flops: ours.fma_gflops, bytes: ours.memory_gbs, sgemm: torch.sgemm_gflops };
    for (const tokens of lengths) {
      const times = peers.map(() => []);
      let firsts;
      for (let round = 0; round <= Number(values.rounds); round++) {
        firsts = [];
        for (const [i, peer] of peers.entries()) {
          // Round 0 warms up (just-in-time compilation, buffers, thread pools) and is thrown away.
          const answer = await peer.ask({ tokens, runs: round === 0 ? 12 : 5 });
          firsts.push(answer.first);
          if (round > 0) {
            // The first of a turn finds the caches full of another peer's weights.
            times[i].push(...answer.times.slice(1));
          }
          // Thread pools go on spinning for a while after their work: wait until they have parked.
          await setTimeout(100);
        }
        const now = await peers[0].ask({ peaks: true });
        peaks.flops = Math.max(peaks.flops, now.fma_gflops);
        peaks.bytes = Math.max(peaks.bytes, now.memory_gbs);
        peaks.sgemm = Math.max(peaks.sgemm, (await peers[2].ask({ sgemm: true })).sgemm_gflops);
      }
      for (const first of firsts.slice(1)) {
        if (first.some((value, i) => Math.abs(value - firsts[0][i]) > 1e-5)) {
          throw new Error(`The peers do not compute the same attention: ${JSON.stringify(firsts)}`);
        }
      }
      const limit = bound(shape, tokens, name === 'gpt2', peaks);
      const cells = times.map(list => `${median(list).toFixed(1)} (${Math.min(...list).toFixed(1)})`);
      const ratio = `${(median(times[0]) / limit).toFixed(2)} (${(Math.min(...times[0]) / limit).toFixed(2)})`;
      console.log(`| ${tokens} | ${cells.join(' | ')} | ${limit.toFixed(1)} | ${ratio} |`);
    }
    console.log(
      `\nBest seen in the run: FMA ${peaks.flops.toFixed(0)} GFLOP/s, memory ${peaks.bytes.toFixed(1)} GB/s, OpenBLAS sgemm (1536³) ${peaks.sgemm.toFixed(0)} GFLOP/s.`,
    );
  } finally {
    peers.forEach(peer => peer.end());
  }
}

/** What the pass takes if every FMA unit is busy all the time, or all weights come from memory once: the larger of the two, ms. */
function bound({ width, layers }, tokens, causal, peaks) {
  const weights = 12 * width * width * layers;
  const flops = 2 * weights * tokens + (4 * tokens * tokens * width * layers) / (causal ? 2 : 1);
  return Math.max(flops / peaks.flops, (4 * weights) / peaks.bytes) / 1e6;
}

function median(list) {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')} failed.`);
  }
}

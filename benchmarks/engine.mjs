// Everything that the speed part of docs/engine.md says, in one run and as its tables: Attention Lens beside ONNX Runtime, PyTorch and the
// machine's limits with 1 and 2 threads, then memory, rows and thumbnails of a text of 4,096 tokens.
//
//   node benchmarks/engine.mjs [options of benchmarks/compare/compare.mjs]
//
// Needs the .NET SDK, and a python3 with torch (Debian: python3-torch, libopenblas0-openmp). On a machine that does nothing else it takes about
// a quarter of an hour.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const compare = path.join(here, 'compare');
const project = path.join(here, 'AttentionLens.Benchmarks');
const program = path.join(project, 'bin/Release/net10.0/AttentionLens.Benchmarks.dll');
const decoder = path.join(os.tmpdir(), 'attention-lens-bench', 'gpt2-4096');

run('dotnet', ['build', '-c', 'Release', '-v', 'quiet', '-nologo', project]);
if (!existsSync(path.join(compare, 'node_modules', 'onnxruntime-node'))) {
  // The CPU build is in the package; its install script would fetch CUDA.
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: compare });
}
const python = ['python3', '/usr/bin/python3'].find(
  name => spawnSync(name, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);
if (!python) {
  console.error('No python3 with torch is there; on Debian: apt-get install python3-torch libopenblas0-openmp.');
  process.exit(1);
}
run(process.execPath, [path.join(compare, 'compare.mjs'), '--python', python, ...process.argv.slice(2)]);

console.log('\n### Memory, rows and thumbnails\n');
if (!existsSync(path.join(decoder, 'model.safetensors'))) run('dotnet', [program, 'make', 'gpt2-4096', decoder]);
for (const threads of [1, 2]) run('dotnet', [program, 'memory', decoder, '4096', `${threads}`]);

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status !== 0) {
    console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`);
    process.exit(1);
  }
}

// From one text to a page that can be looked at: Attention Lens beside BertViz's head_view and model_view, the same attentions.
//
//   git clone https://github.com/jessevig/bertviz
//   node benchmarks/compare/bertviz.mjs BERTVIZ_CHECKOUT [--tokens 16,64,128,256] [--model bert-base] [--python python3]
//
// Attention Lens runs the model and writes the page; BertViz gets the attentions ready made, so that its time and memory are of the page alone.
// BertViz's pages fetch require.js, d3 and jQuery from the network when they are opened; those bytes are not counted.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const here = import.meta.dirname;
const root = path.join(here, '..', '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: 'string', default: '16,64,128,256' },
    model: { type: 'string', default: 'bert-base' },
    folder: { type: 'string', default: path.join(os.tmpdir(), 'attention-lens-bench') },
    python: { type: 'string', default: '/usr/bin/python3' },
  },
});
const [checkout] = positionals;
if (!checkout || !existsSync(path.join(checkout, 'bertviz/head_view.py'))) {
  console.error('Name a checkout of BertViz: node benchmarks/compare/bertviz.mjs FOLDER.');
  process.exit(1);
}
const lens = path.join(root, 'dist/attention-lens');
const program = path.join(root, 'benchmarks/AttentionLens.Benchmarks/bin/Release/net10.0/AttentionLens.Benchmarks.dll');
const model = path.join(values.folder, values.model);
mkdirSync(values.folder, { recursive: true });
if (!existsSync(path.join(model, 'model.safetensors'))) execFileSync('dotnet', [program, 'make', values.model, model]);

console.log('| tokens | page | seconds | peak memory, MB | bytes |');
console.log('| --: | --- | --: | --: | --: |');
const row = (tokens, name, seconds, memory, file) =>
  console.log(`| ${tokens} | ${name} | ${seconds.toFixed(2)} | ${memory.toFixed(0)} | ${statSync(file).size.toLocaleString('en')} |`);

for (const tokens of values.tokens.split(',').map(Number)) {
  const ids = Array.from({ length: tokens }, (_, i) => 1000 + ((i * 7919) % 20000)).join(',');
  const npz = path.join(values.folder, 'bertviz.npz');
  const page = path.join(values.folder, 'bertviz.html');
  const attend = format => ['attend', '--ids', ids, '--model', model, '--format', format, '-o', format === 'npz' ? npz : page];
  rmSync(npz, { force: true });
  execFileSync(lens, attend('npz'));
  rmSync(page, { force: true });
  const ours = timed(lens, attend('html'));
  row(tokens, 'Attention Lens, from the ids, loading the model', ours.seconds, ours.memory, page);
  for (const view of ['head_view', 'model_view']) {
    rmSync(page, { force: true });
    const { status, stdout, stderr } = spawnSync(values.python, [path.join(here, 'peer_bertviz.py'), checkout, npz, view, page], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    if (status !== 0) {
      console.error(stderr);
      process.exit(1);
    }
    const { seconds, memory } = JSON.parse(stdout);
    row(tokens, `BertViz ${view}, from the attentions`, seconds, memory, page);
  }
}

/** Wall time and peak memory of a child. */
function timed(command, args) {
  const begin = performance.now();
  const { stderr, status } = spawnSync('/usr/bin/time', ['-f', '%M', command, ...args], { encoding: 'utf8' });
  const seconds = (performance.now() - begin) / 1000;
  if (status !== 0) throw new Error(stderr);
  return { seconds, memory: Number(stderr.trim().split('\n').at(-1)) / 1024 };
}

// From one text to a picture of its attention: Attention Lens beside BertViz's head_view and model_view, the same attentions.
//
//   git clone https://github.com/jessevig/bertviz
//   node benchmarks/compare/bertviz.mjs BERTVIZ_CHECKOUT [--tokens 16,64,128,256,512] [--model bert-base] [--python python3] [--limit 120]
//        [--pictures FOLDER]
//
// Two tables. The first: what it takes to write a page. Attention Lens runs the model and writes the page; BertViz gets the attentions ready made,
// so that its time and memory are of the page alone. The second: what Chromium does with these pages, and with the panels of the extension, which
// get what they show from a host that has the attentions (pages.mjs says how). What BertViz's pages fetch from a CDN comes from npm packages, so
// neither its bytes nor its time count. Whatever takes longer than the limit, in seconds, is given up, and the table says so.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine, launch } from '../panels/panel-page.mjs';
import { kinds, openPage, readAttention, servePanel } from './pages.mjs';

const here = import.meta.dirname;
const root = path.join(here, '..', '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: 'string', default: '16,64,128,256,512' },
    model: { type: 'string', default: 'bert-base' },
    folder: { type: 'string', default: path.join(os.tmpdir(), 'attention-lens-bench') },
    python: { type: 'string', default: '/usr/bin/python3' },
    limit: { type: 'string', default: '120' },
    pictures: { type: 'string' },
  },
});
const [checkout] = positionals;
if (!checkout || !existsSync(path.join(checkout, 'bertviz/head_view.py'))) {
  console.error('Name a checkout of BertViz: node benchmarks/compare/bertviz.mjs FOLDER.');
  process.exit(1);
}
if (!existsSync(path.join(here, 'node_modules/jquery'))) {
  // The install script of onnxruntime-node, which is of the other comparisons, would fetch CUDA.
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' });
}
const lens = path.join(root, 'dist/attention-lens');
const program = path.join(root, 'benchmarks/AttentionLens.Benchmarks/bin/Release/net10.0/AttentionLens.Benchmarks.dll');
const model = path.join(values.folder, values.model);
const limit = Number(values.limit) * 1000;
mkdirSync(values.folder, { recursive: true });
if (values.pictures) mkdirSync(values.pictures, { recursive: true });
if (!existsSync(path.join(model, 'model.safetensors'))) execFileSync('dotnet', [program, 'make', values.model, model]);
const [npz, tensors, page] = ['bertviz.npz', 'bertviz.safetensors', 'bertviz.html'].map(name => path.join(values.folder, name));

const browser = await launch();
console.log(await describeMachine(browser));
await browser.close();
console.log('\n| tokens | page | seconds | peak memory, MB | bytes |');
console.log('| --: | --- | --: | --: | --: |');
const opened = [];
/** Kinds of pages that gave no picture, with the tokens that they had: larger ones are not tried. */
const given = new Map();

try {
  for (const tokens of values.tokens.split(',').map(Number)) await compare(tokens);
} finally {
  console.log(
    '\n| tokens | page | picture, s | next token, ms: median, 95 % | next head or layer, ms: median, 95 % | elements | JS heap, MB | renderer’s peak, MB |',
  );
  console.log('| --: | --- | --: | --: | --: | --: | --: | --: |');
  for (const row of opened) console.log(row);
  for (const file of [npz, tensors, page]) rmSync(file, { force: true });
}

async function compare(tokens) {
  const ids = Array.from({ length: tokens }, (_, i) => 1000 + ((i * 7919) % 20000)).join(',');
  const attend = (format, file, ...more) => ['attend', '--ids', ids, '--model', model, '--format', format, '-o', file, ...more];
  rmSync(npz, { force: true });
  rmSync(tensors, { force: true });
  execFileSync(lens, attend('npz', npz));
  execFileSync(lens, [...attend('safetensors', tensors), '--layer', 'all', '--head', 'all']);

  const all = make(tokens, 'Attention Lens, from the ids', () => timed(lens, attend('html', page)));
  // The page of all heads is refused where it would be too large; then it is asked for one layer, as the refusal says.
  if (all || make(tokens, 'Attention Lens, layer 0, from the ids', () => timed(lens, attend('html', page, '--layer', '0')))) {
    await open(tokens, 'page', pathToFileURL(page).href, all ? '' : ', layer 0');
  }
  const panel = await servePanel(readAttention(tensors));
  await open(tokens, 'modelPanel', `${panel.address}/model`);
  await open(tokens, 'headPanel', `${panel.address}/head`);
  await open(tokens, 'headsPanel', `${panel.address}/head`);
  await panel.close();
  for (const view of ['head_view', 'model_view']) {
    const script = path.join(here, 'peer_bertviz.py');
    const isMade = make(tokens, `BertViz ${view}, from the attentions`, () => {
      const { status, stdout, stderr, error } = spawnSync(values.python, [script, checkout, npz, view, page], {
        encoding: 'utf8',
        maxBuffer: 1 << 26,
        timeout: limit,
      });
      if (error?.code === 'ETIMEDOUT') throw new Error(`no page within ${values.limit} s`);
      if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1) || `status ${status ?? 'killed'}`);
      return JSON.parse(stdout);
    });
    if (isMade) await open(tokens, view, pathToFileURL(page).href);
  }
}

/** Whether the page has come about. */
function make(tokens, name, work) {
  rmSync(page, { force: true });
  try {
    const { seconds, memory } = work();
    const bytes = statSync(page).size.toLocaleString('en');
    console.log(`| ${tokens} | ${name} | ${seconds.toFixed(2)} | ${memory.toFixed(0)} | ${bytes} |`);
    return true;
  } catch (error) {
    console.log(`| ${tokens} | ${name} | ${error.message} | | |`);
    return false;
  }
}

async function open(tokens, kind, url, note = '') {
  const row = cells => opened.push(`| ${tokens} | ${kinds[kind]}${note} | ${cells.join(' | ')} |`);
  if (given.has(kind)) {
    row([`not tried after ${given.get(kind)} tokens`, '', '', '', '', '']);
    return;
  }
  const picture = values.pictures && path.join(values.pictures, `${kind}-${tokens}.png`);
  const { first, token, head, elements, heap, peak, problem } = await openPage({ url, kind, count: tokens, limit, picture });
  const spread = times => {
    if (!times) return '';
    const sorted = [...times].sort((a, b) => a - b);
    return [0.5, 0.95].map(share => sorted[Math.floor(share * sorted.length)].toFixed(0)).join(', ');
  };
  if (first === undefined) given.set(kind, tokens);
  const seconds = first === undefined ? problem : kind === 'headsPanel' ? '' : (first / 1000).toFixed(2);
  const cells = [seconds, spread(token), spread(head), elements?.toLocaleString('en') ?? '', heap?.toFixed(0) ?? '', peak?.toFixed(0) ?? ''];
  if (problem && first !== undefined) cells[token ? 3 : head ? 1 : 2] = problem;
  row(cells);
}

/** Wall time and peak memory of a child. */
function timed(command, args) {
  const begin = performance.now();
  const { stderr, status } = spawnSync('/usr/bin/time', ['-f', '%M', command, ...args], { encoding: 'utf8' });
  const seconds = (performance.now() - begin) / 1000;
  // Its last two lines are of `time`: the status and the memory.
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-3) || `status ${status}`);
  return { seconds, memory: Number(stderr.trim().split('\n').at(-1)) / 1024 };
}

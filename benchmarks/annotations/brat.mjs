// Opening annotations, and saving them after one label changed: Attention Lens beside brat's own parser, on the same files.
//
//   git clone https://github.com/nlplab/brat
//   node benchmarks/annotations/brat.mjs BRAT_CHECKOUT [--runs 15] [--python python3]
//
// Both work inside one process that has been warmed up, so that neither start-up nor compilation counts; medians. brat verifies every span against its text
// and reads what it has written once more before it copies it over the file. So does a sidecar of ours, which besides is flushed to the disk, twice (journal
// and file), and is one file where brat's has its text beside it; our export writes the text as well.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const here = import.meta.dirname;
const root = path.join(here, '..', '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '15' }, python: { type: 'string', default: '/usr/bin/python3' } },
});
const [checkout] = positionals;
if (!checkout || !existsSync(path.join(checkout, 'server/src/annotation.py'))) {
  console.error('Name a checkout of brat: node benchmarks/annotations/brat.mjs FOLDER.');
  process.exit(1);
}
const project = path.join(root, 'benchmarks/AttentionLens.Benchmarks');
execFileSync('dotnet', ['build', '-c', 'Release', '-v', 'quiet', '-nologo', project], { stdio: 'inherit' });
const program = path.join(project, 'bin/Release/net10.0/AttentionLens.Benchmarks.dll');
const folder = mkdtempSync(path.join(tmpdir(), 'attentionlens-brat-'));
let state = 1;
const dice = below => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const median = times => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];

/** Sentences with a name in each, every tenth with an emoji, which is one character to brat and two code units to us. */
function write(into, documents, spans) {
  mkdirSync(into);
  for (let document = 0; document < documents; document++) {
    let [text, ann, length] = ['', '', 0];
    const add = part => {
      text += part;
      length += [...part].length;
    };
    for (let span = 1; span <= spans; span++) {
      add(`w${dice(20_000)} w${dice(20_000)} ${span % 10 === 0 ? '😊 ' : ''}`);
      const name = `Name${dice(50_000)} Other${dice(500)}`;
      ann += `T${span}\tL${dice(4)} ${length} ${length + name.length}\t${name}\n`;
      add(`${name} w${dice(20_000)}.\n`);
    }
    const base = path.join(into, `d${String(document).padStart(4, '0')}`);
    writeFileSync(`${base}.txt`, text);
    writeFileSync(`${base}.ann`, ann);
  }
}

try {
  console.log('| documents x labels | what | brat, ms | Attention Lens, ms | ratio |');
  console.log('| --- | --- | --: | --: | --: |');
  for (const [documents, spans] of [
    [200, 100],
    [1, 10_000],
  ]) {
    // Each side has files of its own: what it has saved is what it reads.
    const [theirs, ours] = ['brat', 'ours'].map(name => path.join(folder, `${name}-${documents}`));
    for (const into of [theirs, ours]) {
      state = 1;
      write(into, documents, spans);
    }
    const brat = JSON.parse(execFileSync(values.python, [path.join(here, 'peer_brat.py'), checkout, theirs, values.runs], { encoding: 'utf8' }));
    const lens = JSON.parse(execFileSync('dotnet', [program, 'standoff', ours, values.runs], { encoding: 'utf8' }));
    for (const [what, their, our] of [
      ["open brat's files", brat.open, lens.open],
      ["save brat's files, one label changed", brat.save, lens.save],
      ["open our sidecars, beside brat's files", brat.open, lens.openSidecar],
      ["save our sidecars to the disk, beside brat's files", brat.save, lens.saveSidecar],
    ]) {
      const [t, o] = [median(their), median(our)];
      console.log(`| ${documents.toLocaleString('en')} x ${spans.toLocaleString('en')} | ${what} | ${t.toFixed(1)} | ${o.toFixed(1)} | ${(t / o).toFixed(1)} |`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}

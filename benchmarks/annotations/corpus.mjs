// How long the command line takes over a corpus of 2,000 documents with 200,000 spans, and to place the spans of a document of 10 MB again
// after every tenth line changed behind its back. Times are of whole processes, the start of the program included; run on a quiet machine.
//   npm run build && node benchmarks/annotations/corpus.mjs

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { executable } from '../../tests/process/lib/command-line.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'attentionlens-bench-'));
const at = name => path.join(folder, name);
let state = 1;
const dice = below => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const word = () => `w${dice(20_000).toString(36)}`;

/** Runs a command, prints how long it took and the last line it said, and returns what it wrote. */
function timed(what, args, allowed = [0]) {
  const start = performance.now();
  // The shell's own clock says what the program used of the processors, which other work on the machine does not stretch much.
  const clocked = ['-c', 'TIMEFORMAT="cpu %U %S"; time "$@"', 'bash', executable, ...args];
  const { status, stdout, stderr } = spawnSync('bash', clocked, { encoding: 'utf8', maxBuffer: 1 << 30 });
  const seconds = (performance.now() - start) / 1000;
  const cpu = (stderr.match(/cpu ([\d.]+) ([\d.]+)\n$/)?.slice(1) ?? []).reduce((sum, part) => sum + Number(part), 0);
  if (!allowed.includes(status)) throw new Error(`${args.join(' ')}: ${stderr}`);
  const lines = stdout.trimEnd().split('\n');
  console.log(`${seconds.toFixed(2).padStart(7)} s ${cpu.toFixed(2).padStart(7)} s CPU  ${what}  (${lines.length === 1 ? lines[0] : `${lines.length} lines`})`);
  return stdout;
}

/** A record of doccano: sentences with `spans` labelled names in them. */
function record(spans) {
  let text = '';
  const label = [];
  for (let i = 0; i < spans; i++) {
    text += `${word()} ${word()} ${word()} `;
    const name = `Name ${dice(50_000)}`;
    label.push([text.length, text.length + name.length, ['PER', 'ORG', 'LOC', 'MISC'][dice(4)]]);
    text += `${name} ${word()} ${word()}${i % 3 === 0 ? '.\n' : ', '}`;
  }
  return JSON.stringify({ text, label });
}

try {
  writeFileSync(at('corpus.jsonl'), Array.from({ length: 2_000 }, () => record(100)).join('\n'));
  timed('start of the program', ['--version']);
  timed('import 2,000 documents, 200,000 spans (each document flushed to disk)', ['annotate', 'import', 'doccano', at('corpus.jsonl'), '-o', at('corpus'), '--by', 'ada']);
  timed('open and count', ['annotate', 'stats', at('corpus')]);
  timed('open and filter by label and text', ['annotate', 'find', at('corpus'), '--label', 'PER', '--text', 'Name 77']);
  timed('export to CoNLL-U', ['annotate', 'export', 'conllu', at('corpus'), '-o', at('corpus.conllu')]);
  timed('export to Label Studio', ['annotate', 'export', 'label-studio', at('corpus'), '-o', at('corpus.json')]);
  timed('check', ['annotate', 'check', at('corpus')]);

  let big = '';
  const label = [];
  for (let i = 0; big.length < 10_000_000; i++) {
    const name = `Name ${1000 + dice(5000)}`;
    big += `${word()}${word()}${word()} ${word()} says that `;
    if (i % 5 === 0) label.push([big.length, big.length + name.length, 'PER']);
    big += `${name} was seen ${dice(1000)} times.\n`;
  }
  writeFileSync(at('big.jsonl'), JSON.stringify({ text: big, label }));
  timed(`import one document of 10 MB with ${label.length} spans`, ['annotate', 'import', 'doccano', at('big.jsonl'), '-o', at('big')]);
  const document = at('big/big-1.txt');
  timed('place them in the text as it is', ['annotate', 'check', document], [0, 1]);
  const changed = readFileSync(document, 'utf8').split('\n').map((line, i) => (i % 10 === 0 ? `As we know, ${line}` : line)).join('\n');
  writeFileSync(document, changed);
  const said = timed('place them again after every tenth line changed, without the old text', ['annotate', 'check', document], [0, 1]);
  console.log(`           of them ${(said.match(/by its quote alone/g) ?? []).length} by quote, ${(said.match(/has lost its text/g) ?? []).length} lost; ${(statSync(document).size / 1e6).toFixed(1)} MB`);
} finally {
  rmSync(folder, { recursive: true });
}

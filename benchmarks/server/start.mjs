// How soon a server is there: from the start of its process to the answer of `initialize`, and to the tints of the first paragraph of a sample with
// the embedded model. Each start is a process of its own; the first is thrown away, so the files come from memory.
// node benchmarks/server/start.mjs [RUNS]. Another build of the program: ATTENTIONLENS_EXECUTABLE=FILE.

import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../scripts/lib/paths.mjs';
import { executable } from '../../tests/process/lib/command-line.mjs';
import { LanguageClient } from '../../tests/process/lib/language-client.mjs';

const runs = Number(process.argv[2] ?? 15);
const sample = path.join(root, 'samples/lighthouse.txt');
const uri = pathToFileURL(sample).href;
const text = readFileSync(sample, 'utf8');
const start = { line: 0, character: 0 };
const initialized = [];
const tinted = [];
for (let run = 0; run <= runs; run++) {
  const begin = performance.now();
  const client = new LanguageClient();
  await client.initialize();
  const first = performance.now() - begin;
  client.open(uri, text);
  const { tokens } = await client.request('attentionLens/tints', { scope: { textDocument: { uri }, range: { start, end: start } } });
  const second = performance.now() - begin;
  if (!(tokens?.length > 0)) throw new Error('no tints');
  await client.kill();
  if (run === 0) continue;
  initialized.push(first);
  tinted.push(second);
}
const said = times => {
  const sorted = times.sort((a, b) => a - b);
  return `${sorted[sorted.length >> 1].toFixed(0)} (${sorted[0].toFixed(0)}-${sorted.at(-1).toFixed(0)})`;
};
console.log(`${path.relative(root, executable)}, ${cpus()[0].model.trim()}, ${cpus().length} cores, load ${loadavg()[0].toFixed(1)}; ${runs} starts, ms: median (least-most)`);
console.log(`initialize answered: ${said(initialized)}; first tint: ${said(tinted)}`);

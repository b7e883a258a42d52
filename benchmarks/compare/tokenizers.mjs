// Throughput of tokenizing beside the reference implementation, in one run on the same text:
//   node benchmarks/compare/tokenizers.mjs        (after npm run build)
// In processor seconds, so that other work on the machine matters less. Ours is a whole process less one that encodes nothing, so
// it holds reading, just-in-time compilation, garbage collection and writing the result; the reference's is encoding alone.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dist, executableName, root } from '../../scripts/lib/paths.mjs';
import { corpus, quote } from '../../tests/tokenizer-parity/corpus.mjs';

const require = createRequire(path.join(root, 'tests/tokenizer-parity/package.json'));
const { Tokenizer } = require('tokenizers');
const lines = corpus(20_000);
const line = lines.join(' ').toWellFormed();
const megabytes = Buffer.byteLength(line) / 1e6;
const folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-bench-'));

function model(name) {
  const folders = require.resolve.paths(name).map(modules => path.join(modules, `@lenml/tokenizer-${name}/models`));
  return folders.find(existsSync);
}

/** Processor seconds of one process, from bash's own account of its children. */
function seconds(file, name) {
  const command = '"$1" tokenize --lines -f "$2" --model "$3" -o "$4"; times';
  const args = ['-c', command, 'bash', path.join(dist, executableName), file, model(name), path.join(folder, 'out')];
  const children = execFileSync('bash', args, { encoding: 'utf8' }).trim().split('\n').at(-1);
  return children.split(/\s+/).reduce((sum, time) => {
    const [minutes, rest] = time.split('m');
    return sum + 60 * minutes + Number.parseFloat(rest);
  }, 0);
}

async function referenceSeconds(texts, tokenizer) {
  const start = process.cpuUsage();
  for (const text of texts) {
    const encoding = await tokenizer.encode(text);
    encoding.getIds();
    encoding.getOffsets();
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

try {
  const files = { none: [''], lines, line: [line] };
  for (const [name, texts] of Object.entries(files)) {
    await writeFile(path.join(folder, name), `${texts.map(quote).join('\n')}\n`);
  }
  console.log(`${megabytes.toFixed(1)} MB, MB a processor second: as ${lines.length} lines, as one line`);
  console.log('| tokenizer | lines: AttentionLens | reference | one line: AttentionLens | reference |');
  console.log('|---|---:|---:|---:|---:|');
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : ['llama3', 'qwen3', 'gpt4o', 'gemma3', 'llama2']) {
    const reference = Tokenizer.fromFile(path.join(model(name), 'tokenizer.json'));
    const start = seconds(path.join(folder, 'none'), name);
    const cells = [];
    for (const [file, texts] of [
      ['lines', lines],
      ['line', [line]],
    ]) {
      cells.push(seconds(path.join(folder, file), name) - start, await referenceSeconds(texts, reference));
    }
    console.log(`| ${name} | ${cells.map(time => (megabytes / time).toFixed(1)).join(' | ')} |`);
  }
} finally {
  await rm(folder, { recursive: true });
}

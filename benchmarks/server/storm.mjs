// How the published server feels while somebody types: 200 edits a second, a tint request for every tenth, a hover on text that does not change
// every 100 ms. Prints the hovers' latency and the process's memory. Usage: node benchmarks/server/storm.mjs [seconds] [megabytes of text]

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { LanguageClient } from '../../tests/process/lib/language-client.mjs';

const seconds = Number(process.argv[2] ?? 20);
const megabytes = Number(process.argv[3] ?? 0);
const uri = 'file:///storm.txt';
const still = 'The keeper of the northern light had been asleep for two hours when the small boat came round the point.';
const filler = `\n\n${'Nobody on the quay had seen it come, and nobody would have believed it if they had. '.repeat(5)}`;

const client = new LanguageClient();
const memory = () => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(client.process.pid)])) / 1024;
await client.initialize();
client.open(uri, `${still}\n\nTyped here: ${filler.repeat(Math.round((megabytes * 1e6) / filler.length))}`);
const hoverAt = { textDocument: { uri }, position: { line: 0, character: 6 } };
await client.request('textDocument/hover', hoverAt); // loads the model

const latencies = [];
const memories = [];
let [version, edits, stale, tinted] = [1, 0, 0, 0];
const waiting = [];
const begin = performance.now();
while (performance.now() - begin < seconds * 1000) {
  const due = Math.floor((performance.now() - begin) / 5);
  for (; edits < due; edits++) {
    const at = { line: 2, character: 12 + (edits % 60) };
    const range = edits % 60 === 59 ? { start: { line: 2, character: 12 }, end: { line: 2, character: 71 } } : { start: at, end: at };
    client.notify('textDocument/didChange', {
      textDocument: { uri, version: ++version },
      contentChanges: [{ range, text: edits % 60 === 59 ? '' : 'abcdefg hij '[edits % 12] }],
    });
    if (edits % 10 === 0) {
      const end = { line: 2, character: 0 };
      waiting.push(
        client.request('attentionLens/tints', { scope: { textDocument: { uri }, range: { start: end, end } } }).then(({ status }) => {
          if (status === 'stale') stale++;
          else tinted++;
        }),
      );
    }
    if (edits % 20 === 0) {
      const asked = performance.now();
      waiting.push(client.request('textDocument/hover', hoverAt).then(() => latencies.push(performance.now() - asked), () => {}));
    }
  }
  if (memories.length < (performance.now() - begin) / 1000) memories.push(memory());
  await sleep(1);
}
await Promise.all(waiting);
latencies.sort((a, b) => a - b);
const at = share => latencies[Math.floor(share * (latencies.length - 1))].toFixed(1);
console.log(`${(edits / seconds).toFixed(0)} edits/s for ${seconds} s, ${megabytes} MB of text; tints: ${tinted} computed, ${stale} replaced`);
console.log(`hover on known text: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${at(1)} ms (${latencies.length} hovers)`);
console.log(`memory: ${memories.map(m => m.toFixed(0)).join(' ')} MB`);
await client.shutdown();

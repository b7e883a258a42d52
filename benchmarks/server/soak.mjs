// A long session at speed against the published server: is every request answered, and do memory, handles and threads stay?
// Ends with status 1 when not. Usage: node benchmarks/server/soak.mjs [steps] [seed]
//
// A step is one thing that a person does (a word typed, a hover, a panel opened ...); somebody who types without a rest does about one a
// second, so that 14,400 steps are four hours.

import assert from 'node:assert/strict';
import { assertAnswered, EditingSession } from '../../tests/process/lib/editing-session.mjs';

const steps = Number(process.argv[2] ?? 14_400);
const seed = Number(process.argv[3] ?? 1);
const parts = 24;

const session = await EditingSession.start({ seed, settings: { cacheMegabytes: 32 } });
const begin = performance.now();
const seen = [];
console.log('  steps  requests  memory MB  handles  threads');
for (let part = 1; part <= parts; part++) {
  await session.work(Math.round(steps / parts));
  const { memory, handles, threads, sent } = session;
  seen.push({ memory, handles, threads });
  console.log(
    `${String(Math.round((steps / parts) * part)).padStart(7)}${String(sent).padStart(10)}${memory.toFixed(0).padStart(11)}${String(handles).padStart(9)}${String(threads).padStart(9)}`,
  );
}
const { sent, refused } = session;
assertAnswered(session);
assert.deepEqual(refused, []);
const worst = (key, from, to) => Math.max(...seen.slice(from, to).map(sample => sample[key]));
// The first third fills the cache of passes, bounded above so that it is full by then; after that nothing may grow.
const [early, late] = [parts / 3, (2 * parts) / 3];
for (const [key, slack] of [
  ['memory', 1.1],
  ['handles', 1.1],
  ['threads', 1.25],
]) {
  const [before, after] = [worst(key, early, late), worst(key, late, parts)];
  assert(after <= before * slack + 1, `${key} grew from ${before.toFixed(0)} to ${after.toFixed(0)}`);
}
const status = await session.end();
assert.equal(status, 0);
console.log(`${sent} requests, all answered, in ${((performance.now() - begin) / 1000).toFixed(0)} s; memory, handles and threads flat.`);

// The published server ends within two seconds, whatever it computes: an orphan at full load is the worst a server can be.
// Two seconds of a machine that has time: one that takes longer than usual to start the program gets as much longer to end it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { attentionLens } from './lib/command-line.mjs';
import { LanguageClient } from './lib/language-client.mjs';
import { slowText, writeSlowModel } from './lib/slow-model.mjs';

const limit = { timeout: 120_000 };
const uri = 'file:///slow.txt';
let model;

/** How long the program takes to start and end where nothing competes with it (ms); more than that is the machine. */
const usualStart = 250;
let allowed;

before(async () => {
  const begin = performance.now();
  await attentionLens(['--version']);
  allowed = 2000 * Math.max(1, (performance.now() - begin) / usualStart);
  model = await mkdtemp(path.join(tmpdir(), 'attentionlens-slow-'));
  await writeSlowModel(model);
});
after(() => rm(model, { recursive: true }));
afterEach(() => LanguageClient.killAll());

/** A server in the middle of a pass: it has said that one has been running for half a second. */
async function inTheMiddle({ args, processId = null } = {}) {
  const client = new LanguageClient(args);
  await client.initialize({
    processId,
    capabilities: { window: { workDoneProgress: true } },
    initializationOptions: { model },
  });
  client.open(uri, slowText);
  const at = { line: 0, character: 0 };
  const answer = client
    .request('attentionLens/tints', { scope: { textDocument: { uri }, range: { start: at, end: at } } })
    .then(
      ({ status }) => status,
      error => error.code ?? 'no answer',
    );
  const isPass = ({ method, params }) => method === '$/progress' && /reading/.test(params.value.title);
  while (!client.notifications.some(isPass)) {
    assert.equal(await Promise.race([answer, sleep(20)]), undefined, 'the pass ended before it was interrupted');
  }
  return { client, answer };
}

const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

async function endsInTime({ client, answer }, expected) {
  const begin = performance.now();
  const { status, signal } = await client.exited;
  const took = performance.now() - begin;
  assert.equal(signal, null, 'by itself');
  assert.equal(status, expected);
  assert(took < allowed, `${took.toFixed(0)} ms of ${allowed.toFixed(0)}`);
  const answered = await answer;
  assert([-32800, 'no answer'].includes(answered), `the pass was not done: ${answered}`);
  assert.doesNotMatch(client.stderr, /Unhandled exception/);
}

test('after shutdown and exit', limit, async () => {
  const running = await inTheMiddle();
  assert.equal(await running.client.request('shutdown'), null);
  running.client.notify('exit');
  await endsInTime(running, 0);
  assert.equal(await running.answer, -32800, 'what ran was answered');
});

test('after exit alone', limit, async () => {
  const running = await inTheMiddle();
  running.client.notify('exit');
  await endsInTime(running, 1);
});

test('when its input ends', limit, async () => {
  const running = await inTheMiddle();
  running.client.process.stdin.end();
  await endsInTime(running, 1);
});

for (const how of ['initialize', '--clientProcessId']) {
  test(`when the process that ${how} names is gone`, limit, async () => {
    const parent = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
    const running = await inTheMiddle(
      how === 'initialize'
        ? { processId: parent.pid }
        : { args: ['serve', '--stdio', '--clientProcessId', String(parent.pid)] },
    );
    parent.kill('SIGKILL');
    await endsInTime(running, 1);
  });
}

test('a cancelled pass makes room at once', limit, async () => {
  const { client } = await inTheMiddle();
  client.notify('$/cancelRequest', { id: 2 }); // 1 was initialize
  client.open('file:///short.txt', 'a a a');
  const at = { line: 0, character: 0 };
  const { status } = await client.request('attentionLens/tints', {
    scope: { textDocument: { uri: 'file:///short.txt' }, range: { start: at, end: at } },
  });
  assert.equal(status, 'ok'); // long before the first one could have ended
  assert.equal((await client.shutdown()).status, 0);
});

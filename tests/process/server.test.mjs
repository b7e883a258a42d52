// The published server as a process on a pipe: life cycle, what it does when its client misbehaves or dies.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rename, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { mostTellingHead } from '../e2e/lib/oracle.mjs';
import { LanguageClient } from './lib/language-client.mjs';

const uri = 'file:///story.txt';
const story = readFileSync(path.join(root, 'samples/lighthouse.txt'), 'utf8');
const limit = { timeout: 60_000 };

// A server that outlives its failed test would keep this process alive.
afterEach(() => LanguageClient.killAll());

test('a session from initialize to exit, with nothing stray on stdout', limit, async () => {
  const client = new LanguageClient();
  const { capabilities, serverInfo } = await client.initialize();
  assert.equal(capabilities.hoverProvider !== undefined && capabilities.hoverProvider !== false, true);
  assert.match(serverInfo.name, /attention/i);
  client.open(uri, story);
  const hover = await client.request('textDocument/hover', {
    textDocument: { uri },
    position: { line: 0, character: 5 },
  });
  assert.match(hover.contents.value ?? hover.contents, /lighthouse|light/);
  const { status } = await client.shutdown();
  assert.equal(status, 0);
  assert.equal(client.stray, '');
});

test('tints of a paragraph lie in it and have many strengths', limit, async () => {
  const client = new LanguageClient();
  await client.initialize();
  client.open(uri, story);
  const at = { line: 0, character: 5 };
  const result = await client.request('attentionLens/tints', {
    scope: { textDocument: { uri }, range: { start: at, end: at } },
    view: mostTellingHead(story.split('\n')[0]),
  });
  assert.equal(result.status, 'ok', result.message);
  assert.equal(result.version, 1);
  assert.equal(result.tokens.length, 5 * result.weights.length);
  assert.equal(result.buckets.length, result.weights.length);
  for (let i = 0; i < result.tokens.length; i += 5) assert.equal(result.tokens[i], 0, 'only the first line');
  assert(new Set(result.buckets).size >= 6, `buckets ${[...new Set(result.buckets)]}`);
  await client.shutdown();
});

test('exit without shutdown ends with status 1', limit, async () => {
  const client = new LanguageClient();
  await client.initialize();
  client.notify('exit');
  assert.equal((await client.exited).status, 1);
});

test('the end of its input ends it, also in the middle of a message', limit, async () => {
  for (const cut of ['', 'Content-Le', 'Content-Length: 100\r\n\r\n{"jsonrpc":']) {
    const client = new LanguageClient();
    await client.initialize();
    client.process.stdin.end(cut);
    const { signal } = await client.exited;
    assert.equal(signal, null, 'by itself');
    assert.doesNotMatch(client.stderr, /Unhandled exception/);
  }
});

test('it ends when its parent process is gone', limit, async () => {
  const parent = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
  const client = new LanguageClient();
  await client.initialize({ processId: parent.pid });
  parent.kill('SIGKILL');
  // Its input stays open: it has to notice by itself.
  const { signal } = await client.exited;
  assert.equal(signal, null);
});

test('a request before initialize is refused, an unknown one afterwards too', limit, async () => {
  const client = new LanguageClient();
  await assert.rejects(client.request('textDocument/hover', {}), { code: -32002 });
  await client.initialize();
  await assert.rejects(client.request('attentionLens/noSuchThing', {}), { code: -32601 });
  await client.shutdown();
});

test('parameters of the wrong shape get an error and leave the server alive', limit, async () => {
  const client = new LanguageClient();
  await client.initialize();
  client.open(uri, story);
  for (const params of [null, [], 7, { textDocument: 5 }, { textDocument: { uri }, position: { line: 'x' } }]) {
    await assert.rejects(client.request('textDocument/hover', params), error => error.code === -32602);
  }
  // Positions outside the text are not malformed: nothing is there.
  for (const position of [
    { line: 99_999, character: 0 },
    { line: 0, character: 4_000_000_000 },
  ]) {
    await client.request('textDocument/hover', { textDocument: { uri }, position }).catch(error => {
      assert.doesNotMatch(error.message, /Exception|Index was/);
    });
  }
  assert.equal((await client.shutdown()).status, 0);
});

test('bytes that are no message do not stop it from answering or ending cleanly', limit, async () => {
  const client = new LanguageClient();
  await client.initialize();
  const garbage = 'this is {not json';
  client.write(`Content-Length: ${garbage.length}\r\n\r\n${garbage}`);
  client.open(uri, story);
  const hover = await client.request('textDocument/hover', {
    textDocument: { uri },
    position: { line: 0, character: 5 },
  });
  assert(hover);
  assert.equal((await client.shutdown()).status, 0);
});

test('texts that are hard to read are read', limit, async () => {
  const client = new LanguageClient();
  await client.initialize();
  const texts = {
    empty: '',
    'white space': ' \n\t\n ',
    'one long line': `${'word '.repeat(200_000)}`,
    'one long word': 'x'.repeat(100_000),
    'lone surrogates': 'a \ud800 b \udc00 c',
    'null bytes': 'a\0b\0c',
    'mixed line ends': 'one\r\ntwo\rthree\nfour',
    'emoji and joiners': '👩‍🔬 works at 🏳️‍🌈 with e\u0301\u0301\u0301',
    'right to left': 'הספר על השולחן',
  };
  for (const [name, text] of Object.entries(texts)) {
    const document = `file:///${encodeURIComponent(name)}.txt`;
    client.open(document, text);
    const at = { line: 0, character: 0 };
    const result = await client.request('attentionLens/tints', {
      scope: { textDocument: { uri: document }, range: { start: at, end: at } },
      view: { layer: 0, head: 0 },
    });
    assert(['ok', 'truncated', 'empty', 'failed'].includes(result.status), `${name}: ${result.status}`);
    if (result.status === 'failed') assert.doesNotMatch(result.message, /Exception|Index was|Object reference/, name);
    client.notify('textDocument/didClose', { textDocument: { uri: document } });
  }
  assert.equal((await client.shutdown()).status, 0);
});

test(
  'a model folder that comes, goes and comes back is found each time, and its absence is shown once',
  limit,
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-model-'));
    const model = path.join(folder, 'mine');
    const client = new LanguageClient();
    try {
      await client.initialize({ initializationOptions: { model } });
      client.open(uri, story);
      const at = { line: 0, character: 5 };
      const ask = async () =>
        (
          await client.request('attentionLens/tints', {
            scope: { textDocument: { uri }, range: { start: at, end: at } },
          })
        ).status;
      const until = async expected => {
        // A load that failed is tried again a second later at the earliest.
        for (let i = 0; (await ask()) !== expected; i++) {
          assert(i < 100, `never ${expected}`);
          await new Promise(resolve => setTimeout(resolve, 200));
        }
      };
      assert.equal(await ask(), 'modelMissing');
      await cp(path.join(root, 'models/mini-encoder'), model, { recursive: true });
      await until('ok');
      await rename(model, `${model}-away`);
      assert.equal(await ask(), 'ok', 'what is loaded goes on');
      const choose = name =>
        client.notify('workspace/didChangeConfiguration', { settings: { attentionLens: { model: name } } });
      choose('');
      await until('ok');
      choose(model);
      assert.equal(await ask(), 'modelMissing');
      await rename(`${model}-away`, model);
      await until('ok');
      const shown = client.notifications.filter(({ method }) => method === 'window/showMessage');
      assert.equal(shown.length, 2, 'once each time it was missing');
      for (const { params } of shown) {
        assert.match(params.message, /mine.*name another one in the setting "model"/);
        assert.equal(params.type, 1);
      }
      assert.equal((await client.shutdown()).status, 0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

test('a model that is not there is said, and the server stays', limit, async () => {
  const client = new LanguageClient();
  await client.initialize({ initializationOptions: { model: '/no/such/model' } });
  client.open(uri, story);
  const at = { line: 0, character: 5 };
  const result = await client.request('attentionLens/tints', {
    scope: { textDocument: { uri }, range: { start: at, end: at } },
    view: { layer: 0, head: 0 },
  });
  assert.equal(result.status, 'modelMissing');
  assert.match(result.message, /no\/such\/model/);
  assert.doesNotMatch(result.message, /Exception/);
  client.notify('workspace/didChangeConfiguration', { settings: { attentionLens: { model: '' } } });
  const after = await client.request('attentionLens/tints', {
    scope: { textDocument: { uri }, range: { start: at, end: at } },
    view: { layer: 0, head: 0 },
  });
  assert.equal(after.status, 'ok', after.message);
  assert.equal((await client.shutdown()).status, 0);
});

test('a model file that is emptied and written again under a running server', limit, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-model-'));
  try {
    const model = path.join(folder, 'model');
    await cp(path.join(root, 'models/mini-encoder'), model, { recursive: true });
    const client = new LanguageClient();
    await client.initialize({ initializationOptions: { model } });
    client.open(uri, 'The light keeper slept.\n\nNobody saw the boat arrive.\n\nA captain wrote home about whales.');
    const hover = async line => {
      const answer = await client.request('textDocument/hover', {
        textDocument: { uri },
        position: { line, character: 3 },
      });
      return answer.contents.value;
    };
    const whole = await hover(0);
    const weights = path.join(model, 'model.safetensors');
    await truncate(weights, 0);
    assert.match(await hover(2), /0\.\d{3}/, 'what is loaded does not need the file');
    await cp(path.join(root, 'models/mini-encoder/model.safetensors'), weights);
    assert.match(await hover(4), /0\.\d{3}/);
    assert.equal(await hover(0), whole);
    assert.equal((await client.shutdown()).status, 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

// The published server through the JSON-RPC that VS Code itself uses: its framing, its cancellation, its named pipes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import {
  CancellationTokenSource,
  createClientPipeTransport,
  createProtocolConnection,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  DocumentDiagnosticRequest,
  ErrorCodes,
  ExitNotification,
  generateRandomPipeName,
  HoverRequest,
  InitializedNotification,
  InitializeRequest,
  LSPErrorCodes,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver-protocol/node.js';
import { executable } from './lib/command-line.mjs';

const uri = 'file:///story.txt';
const limit = { timeout: 120_000 };

function start(args) {
  const server = spawn(executable, ['serve', ...args]);
  server.stderr.resume();
  const exited = new Promise(resolve => server.on('close', resolve));
  return { server, exited };
}

async function converse(connection) {
  connection.listen();
  const { capabilities } = await connection.sendRequest(InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
  });
  assert.equal(capabilities.positionEncoding, 'utf-16');
  await connection.sendNotification(InitializedNotification.type, {});
  await connection.sendNotification(DidOpenTextDocumentNotification.type, {
    textDocument: { uri, languageId: 'plaintext', version: 1, text: 'The keeper lit the lamp 🔎 twice.' },
  });
}

async function end(connection, exited) {
  await connection.sendRequest(ShutdownRequest.type);
  await connection.sendNotification(ExitNotification.type);
  assert.equal(await exited, 0);
  connection.dispose();
}

async function useIt(connection) {
  const position = { line: 0, character: 5 };
  const hover = await connection.sendRequest(HoverRequest.type, { textDocument: { uri }, position });
  assert.match(hover.contents.value, /attends to/);
  const report = await connection.sendRequest(DocumentDiagnosticRequest.type, { textDocument: { uri } });
  assert.deepEqual(report.items, []);
  await assert.rejects(
    connection.sendRequest('attentionLens/nothing', {}),
    error => error.code === ErrorCodes.MethodNotFound,
  );

  // Cancellations race with answers; every request ends in one or the other, and the connection lives on.
  const races = [];
  for (let version = 2; version < 40; version++) {
    await connection.sendNotification(DidChangeTextDocumentNotification.type, {
      textDocument: { uri, version },
      contentChanges: [
        { range: { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } }, text: `v${version} ` },
      ],
    });
    const source = new CancellationTokenSource();
    const race = connection.sendRequest(HoverRequest.type, { textDocument: { uri }, position }, source.token);
    race.catch(() => {}); // looked at below; a refusal may come before
    races.push(race);
    if (version % 2) source.cancel();
  }
  for (const race of await Promise.allSettled(races)) {
    if (race.status === 'rejected') {
      assert(
        [LSPErrorCodes.RequestCancelled, LSPErrorCodes.ContentModified].includes(race.reason.code),
        String(race.reason),
      );
    }
  }
  const scope = { textDocument: { uri }, range: { start: position, end: position } };
  const tints = await connection.sendRequest('attentionLens/tints', { scope });
  assert.deepEqual([tints.status, tints.version], ['ok', 39]);
}

test('over stdio', limit, async () => {
  const { server, exited } = start(['--stdio']);
  const connection = createProtocolConnection(
    new StreamMessageReader(server.stdout),
    new StreamMessageWriter(server.stdin),
  );
  await converse(connection);
  await useIt(connection);
  await end(connection, exited);
});

test('over a named pipe', limit, async () => {
  const name = generateRandomPipeName();
  const transport = await createClientPipeTransport(name);
  const { exited } = start([`--pipe=${name}`]);
  const [reader, writer] = await transport.onConnected();
  const connection = createProtocolConnection(reader, writer);
  await converse(connection);
  await useIt(connection);
  await end(connection, exited);
});

test('a pipe on which nobody listens is one sentence and status 1', limit, async () => {
  const server = spawn(executable, ['serve', '--pipe', generateRandomPipeName()]);
  let stderr = '';
  server.stderr.on('data', data => {
    stderr += data;
  });
  assert.equal(await new Promise(resolve => server.on('close', resolve)), 1);
  assert.match(stderr, /^Nobody listens on the pipe .*\.\n$/);
});

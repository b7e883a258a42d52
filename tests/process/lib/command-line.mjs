import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { dist, executableName, root } from '../../../scripts/lib/paths.mjs';

/** Another build of it, or a script that runs one for another processor in an emulator, can be put to the same tests. */
export const executable = process.env.ATTENTIONLENS_EXECUTABLE ?? path.join(dist, executableName);
export const fixture = name => path.join(root, 'tests/fixtures', name);

/** Runs the published command line to its end. Bytes in `input` go to its standard input. */
export function attentionLens(args, { input, cwd, env, timeout = 60_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(executable, args, { cwd, env: { ...process.env, ...env }, timeout });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
  });
}

/** The contract for a failure: status 1, nothing on stdout, one sentence for a person on stderr that mentions `about`. */
export async function assertRefused(args, about, options) {
  const { status, signal, stdout, stderr } = await attentionLens(args, options);
  assert.equal(signal, null, `ended by ${signal}: ${stderr}`);
  assert.equal(stdout, '');
  assertSentence(stderr, about);
  assert.equal(status, 1);
  return stderr.trim();
}

export function assertSentence(text, about) {
  assert.match(text, about);
  assert.doesNotMatch(text, /Exception|^\s+at |\.cs:line/m, 'no stack trace');
  const lines = text.trim().split('\n');
  assert.equal(lines.length, 1, `one line: ${text}`);
  assert.match(lines[0], /[.!?]$/, 'a sentence');
  assert(lines[0].length < 500, 'short enough to be read');
}

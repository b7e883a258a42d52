// A third editor, where it is installed: Emacs with Eglot, set up as docs/editors.md says.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { versionOf } from '../../scripts/lib/process.mjs';
import { executable } from './lib/command-line.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'emacs/session.el');
const packages = ['--batch', '--eval', '(package-initialize)'];
const hasEglot = versionOf('emacs', [...packages, '-l', 'eglot', '--eval', '(princ "here")'])?.includes('here');

test('Emacs hovers, highlights, types, and hovers again', {
  timeout: 300_000,
  skip: !hasEglot && 'Emacs with Eglot is not installed (Debian: emacs-nox, elpa-eglot)',
}, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'attention-lens-emacs-'));
  try {
    const file = path.join(folder, 'text.txt');
    const result = path.join(folder, 'seen.json');
    await writeFile(file, 'The keeper of the light had been asleep. Nobody saw it.\n');
    await promisify(execFile)('emacs', [...packages, '-l', script], {
      cwd: folder,
      timeout: 240_000,
      env: { ...process.env, AL_FILE: file, AL_SERVER: executable, AL_RESULT: result, HOME: folder },
    });
    const seen = JSON.parse(await readFile(result, 'utf8'));
    assert.equal(seen.problem, undefined);
    assert.match(seen.hover, /keep/, 'the word under the cursor');
    assert.match(seen.hover, /layer 0 · mean of all heads/, 'the settings have arrived and stayed');
    assert(seen.highlights.length > 1);
    assert(
      seen.highlights.some(([start]) => start === 4),
      'the word itself is among them',
    );
    assert.match(seen.afterTyping, /^and\b/, 'the text as it is after typing');
    assert.equal(seen.ended, true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

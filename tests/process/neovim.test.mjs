// A second editor is the cheapest proof that the server speaks LSP and not "what VS Code happens to send".

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensurePrograms } from '../../scripts/lib/requirements.mjs';
import { executable } from './lib/command-line.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'neovim/session.lua');

test('Neovim hovers, highlights, types, and hovers again', { timeout: 300_000 }, async () => {
  await ensurePrograms('neovim');
  const folder = await mkdtemp(path.join(tmpdir(), 'attention-lens-neovim-'));
  try {
    const file = path.join(folder, 'text.txt');
    const result = path.join(folder, 'seen.json');
    await writeFile(file, 'The keeper of the light had been asleep. Nobody saw it.\n');
    await promisify(execFile)('nvim', ['--headless', '-u', 'NONE', '-i', 'NONE', '-n', '-S', script], {
      cwd: folder,
      timeout: 240_000,
      env: {
        ...process.env,
        AL_FILE: file,
        AL_SERVER: executable,
        AL_RESULT: result,
        XDG_STATE_HOME: folder,
        XDG_DATA_HOME: folder,
      },
    });
    const seen = JSON.parse(await readFile(result, 'utf8'));
    assert.equal(seen.problem, undefined);
    assert.match(seen.hover, /keep/, 'the word under the cursor');
    assert.match(seen.hover, /layer 0 · mean of all heads/);
    assert.match(seen.hover, /0\.\d{3}/);
    assert(seen.highlights.every(mark => mark.line === 0 && mark.to > mark.from));
    assert(
      seen.highlights.some(mark => mark.from === 4),
      'the word itself is among them',
    );
    assert.match(seen.afterTyping, /`and`/, 'the text as it is after typing');
    assert.equal(seen.hints.error, undefined);
    assert.equal(seen.exit, 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

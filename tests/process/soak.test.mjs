// Hours of work in little: what must hold of it is counted, not timed. `benchmarks/server/soak.mjs` runs it long.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { assertAnswered, EditingSession } from './lib/editing-session.mjs';
import { LanguageClient } from './lib/language-client.mjs';

const limit = { timeout: 120_000 };

afterEach(() => LanguageClient.killAll());

test('a stretch of work: every question is answered, nothing is left open', limit, async () => {
  const session = await EditingSession.start({ seed: 7 });
  await session.work(300);
  const handles = session.handles;
  await session.work(900);
  assertAnswered(session);
  assert.deepEqual(session.refused, []);
  // The second half opens and closes documents and models as the first did; a leak would be one handle for each.
  assert(session.handles <= handles + 4, `${handles} open handles before, ${session.handles} after`);
  // What the server holds is what was typed: a hover on a word speaks of that word's first token.
  const line = session.lines.findIndex(text => /^\p{L}{4}/u.test(text));
  const word = /^\p{L}+/u.exec(session.lines[line])[0];
  const hover = await session.client.request('textDocument/hover', {
    textDocument: { uri: session.uri },
    position: { line, character: 1 },
  });
  const [, token] = /^\*\*`(.+?)`/.exec(hover.contents.value);
  assert(word.toLowerCase().startsWith(token.toLowerCase()), `${word}: ${hover.contents.value}`);
  assert.equal(await session.end(), 0);
});

test('ten windows on one folder', limit, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'attentionlens-windows-'));
  try {
    const names = 'Maria met Tom in Oslo and Bergen, and they wrote home to Paris and Rome.';
    const file = path.join(folder, 'letter.txt');
    writeFileSync(file, names);
    const uri = pathToFileURL(file).href;
    const places = [...names.matchAll(/\p{Lu}\p{L}+/gu)];
    const windows = Array.from({ length: 10 }, () => new LanguageClient());
    await Promise.all(
      windows.map(async (client, index) => {
        await client.initialize();
        client.open(uri, names);
        const { index: start, 0: word } = places[index % places.length];
        const at = { line: 0, character: start };
        const tints = await client.request('attentionLens/tints', {
          scope: { textDocument: { uri }, range: { start: at, end: at } },
          position: at,
        });
        assert.equal(tints.status, 'ok', tints.message);
        const result = await client.request('attentionLens/annotate', {
          textDocument: { uri },
          version: 1,
          add: [
            {
              kind: 'span',
              label: `L${index}`,
              ranges: [{ start: at, end: { line: 0, character: start + word.length } }],
            },
          ],
          title: 'label',
        });
        assert.equal(result.status, 'ok', result.message);
      }),
    );
    assert.deepEqual(
      await Promise.all(windows.map(client => client.shutdown().then(({ status }) => status))),
      Array(10).fill(0),
    );
    const labels = readFileSync(`${file}.al.jsonl`, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line).label)
      .filter(Boolean);
    assert.deepEqual(labels.sort(), Array.from({ length: 10 }, (_, i) => `L${i}`).sort(), 'the label of every window');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

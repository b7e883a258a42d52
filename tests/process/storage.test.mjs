// Disks without room and folders that may not be written, under everything that writes: one sentence, what was there stays as it was, nothing half
// is left behind, and the same command succeeds once there is room.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { assertSentence, attentionLens } from './lib/command-line.mjs';
import { LanguageClient } from './lib/language-client.mjs';

const execute = promisify(execFile);
const limit = { timeout: 180_000 };
const text = 'Ada met Linus in Paris.\n';
const earlier = 'what was there before\n';

/** Where what is read lies; the commands write elsewhere. */
let source;
before(async () => {
  source = await mkdtemp(path.join(tmpdir(), 'attentionlens-storage-'));
  await writeFile(at('doc.txt'), text);
  await writeFile(at('labels.jsonl'), `${JSON.stringify({ text, label: [[0, 3, 'PER']] })}\n`);
  await writeFile(
    at('reasons.jsonl'),
    `${JSON.stringify({ text: 'A fine day.', label: 'good', rationales: [[2, 6]] })}\n`,
  );
  await good('annotate', 'import', 'doccano', at('labels.jsonl'), '-o', at('corpus'));
});
after(() => rm(source, { recursive: true, force: true }));
afterEach(() => LanguageClient.killAll());

const at = name => path.join(source, name);

async function good(...args) {
  const { status, stderr } = await attentionLens(args);
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
}

/** A file system of its own, so that filling or locking it hurts nobody. */
async function disk() {
  const folder = await mkdtemp(path.join(source, 'disk-'));
  await execute('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', folder]);
  const inside = name => path.join(folder, name);
  return {
    inside,
    folder,
    /** Nothing more fits. */
    async fill() {
      const { bavail, bsize } = await statfs(folder);
      const filler = await open(inside('filler'), 'w');
      await filler.write(Buffer.alloc(bavail * bsize));
      await filler.close();
      assert.equal((await statfs(folder)).bavail, 0);
    },
    makeRoom: () => rm(inside('filler')),
    lock: () => execute('mount', ['-o', 'remount,ro', folder]),
    unlock: () => execute('mount', ['-o', 'remount,rw', folder]),
    remove: () => execute('umount', [folder]),
  };
}

/** Every file below a folder with its content; folders that hold nothing are no harm. */
async function contents(folder) {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile());
  const paths = files.map(entry => path.join(entry.parentPath, entry.name)).filter(file => !file.endsWith('filler'));
  return Object.fromEntries(await Promise.all(paths.map(async file => [file, await readFile(file, 'base64')])));
}

/** By what is written: the command, and the file or folder that it leaves. */
const writers = {
  'a table of attention': d => [
    ['attend', 'A text.', '--layer', 'all', '--head', 'all', '--format', 'json', '-o', d.inside('attention.json')],
    'attention.json',
  ],
  'annotations for another tool': d => [
    ['annotate', 'export', 'doccano', at('corpus'), '-o', d.inside('labels.jsonl')],
    'labels.jsonl',
  ],
  'annotations of another tool': d => [
    ['annotate', 'import', 'doccano', at('labels.jsonl'), '-o', d.inside('imported')],
    'imported',
  ],
  'a run of a corpus': d => [['corpus', 'run', at('doc.txt'), '-o', d.inside('new-run')], 'new-run/index.json'],
  'an index of a run': d => [['corpus', 'index', d.inside('run')], 'run/search.sqlite'],
  'a log for TensorBoard': d => [['corpus', 'tensorboard', d.inside('run'), '-o', d.inside('log')], 'log'],
  'a report': d => [
    ['evaluate', '-f', at('reasons.jsonl'), '--methods', 'raw', '-o', d.inside('report.md')],
    'report.md',
  ],
};
/** Those that replace a file which is there. */
const replaced = ['attention.json', 'labels.jsonl', 'report.md', 'run/search.sqlite'];

const onlyRoot = !(process.getuid?.() === 0 && process.platform === 'linux') && 'only root can mount a file system';

for (const [kind, begin, end, said] of [
  ['a full disk', d => d.fill(), d => d.makeRoom(), /space|full/i],
  ['a read-only folder', d => d.lock(), d => d.unlock(), /read-only|readonly|unable to open/i],
]) {
  describe(kind, { skip: onlyRoot }, () => {
    let place;
    before(async () => {
      place = await disk();
      await good('corpus', 'run', at('doc.txt'), '-o', place.inside('run'), '--keep', 'heads,hidden,profiles');
      for (const name of replaced) await writeFile(place.inside(name), earlier);
    });
    after(() => place.remove());

    for (const [what, command] of Object.entries(writers)) {
      test(`${what}: said, nothing is lost or left, and it goes on afterwards`, limit, async () => {
        const [args, result] = command(place);
        const known = await contents(place.folder);
        await begin(place);
        try {
          const { status, signal, stderr } = await attentionLens(args);
          assert.equal(signal, null);
          assert.equal(status, 1, stderr);
          assertSentence(stderr, said);
          assert.doesNotMatch(stderr, /should not have happened/);
          const left = await contents(place.folder);
          // A run keeps its plan, an evaluation its journal: what is there is whole or empty, and nothing else has changed.
          for (const [file, content] of Object.entries(left)) {
            if (known[file] === undefined)
              assert.match(file, /[\\/]new-run[\\/]plan\.json$|\.journal\.jsonl$|\.partial\.jsonl$/, file);
            else assert.equal(content, known[file], file);
          }
          for (const file of Object.keys(known)) assert(file in left, `${file} is gone`);
        } finally {
          await end(place);
        }
        await good(...args);
        assert(existsSync(place.inside(result)), result);
        if (replaced.includes(result)) assert.notEqual(await readFile(place.inside(result), 'utf8'), earlier);
        for (const file of Object.keys(await contents(place.folder))) assert.doesNotMatch(file, /\.tmp$/);
      });
    }

    test('the server answers, says why a label is not there, and sets it later', limit, async () => {
      const file = place.inside('letter.txt');
      await writeFile(file, text);
      const uri = pathToFileURL(file).href;
      const range = { start: { line: 0, character: 0 }, end: { line: 0, character: 3 } };
      const label = client =>
        client.request('attentionLens/annotate', {
          textDocument: { uri },
          version: 1,
          add: [{ kind: 'span', label: 'PER', ranges: [range] }],
          title: 'label',
        });
      const client = new LanguageClient();
      await begin(place);
      try {
        await client.initialize();
        client.open(uri, text);
        const refused = await label(client);
        assert.equal(refused.status, 'failed');
        assertSentence(
          refused.message,
          /letter\.txt\.al\.jsonl could not be read or written, and nothing in it was changed/,
        );
        const { status } = await client.request('attentionLens/tints', {
          scope: { textDocument: { uri }, range: { start: range.start, end: range.start } },
        });
        assert.equal(status, 'ok');
      } finally {
        await end(place);
      }
      const set = await label(client);
      assert.equal(set.status, 'ok', set.message);
      assert.equal((await client.shutdown()).status, 0);
      assert.equal((await readFile(`${file}.al.jsonl`, 'utf8')).match(/"label":"PER"/g)?.length, 1);
    });
  });
}

test('a pipe is written to and not replaced', { ...limit, skip: process.platform === 'win32' }, async () => {
  const pipe = at('pipe');
  await execute('mkfifo', [pipe]);
  const reading = execute('cat', [pipe]);
  await good('attend', 'A text.', '-o', pipe);
  const { stdout } = await reading;
  assert.match(stdout, /^mini-encoder/);
  assert((await stat(pipe)).isFIFO());
});

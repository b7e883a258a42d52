// Annotations against everything that happens to files: a killed process, two processes, a full disk, a read-only file, nonsense, git.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { assertRefused, assertSentence, attentionLens, executable } from './lib/command-line.mjs';

const execute = promisify(execFile);
const text = Array.from({ length: 400 }, (_, i) => `Line ${i} tells of somebody in Paris.`).join('\n');
const header = '{"al":1,"unit":"codepoint","eol":"lf"}';
let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-annotate-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A seeded generator: a failure can be run again. */
function random(seed) {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function documentIn(name, content = text) {
  const file = path.join(folder, name);
  await writeFile(file, content);
  return file;
}

/** Labels of four characters each, none like another; `from` counts them. */
const labels = (from, count) =>
  Array.from({ length: count }, (_, i) => {
    const start = (from + i) % (text.length - 4);
    return `${JSON.stringify({ label: `L${Math.floor((from + i) / (text.length - 4))}`, start, end: start + 4 })}\n`;
  }).join('');

const add = (file, ...rest) => ['annotate', 'add', file, ...rest];

/** What is on disk: the sidecar, which must always be whole, and what journals of dead sessions hold in whole lines. */
async function onDisk(file) {
  const found = new Set();
  for (const name of await readdir(path.dirname(file))) {
    if (!name.startsWith(`${path.basename(file)}.al.jsonl`) || name.endsWith('.tmp')) continue;
    const content = await readFile(path.join(path.dirname(file), name), 'utf8');
    const lines = content.split('\n');
    const last = lines.pop();
    if (name.endsWith('.al.jsonl')) {
      assert.equal(last, '', 'the sidecar ends with a whole line');
      assert.equal(lines.shift(), header);
    }
    for (const line of lines) found.add(JSON.parse(line).id);
  }
  return found;
}

test('killed at 200 random moments, a labelling script loses at most the operation in flight', {
  timeout: 900_000,
}, async t => {
  const dice = random(7);
  let [acknowledged, unacknowledged, duringStart] = [0, 0, 0];
  for (let round = 0; round < 10; round++) {
    const file = await documentIn(`killed-${round}.txt`);
    const known = new Set();
    let given = 0;
    for (let trial = 0; trial < 20; trial++) {
      const child = spawn(executable, add(file, '--batch', '--save-every', '10'));
      const closed = new Promise(resolve => child.on('close', (status, signal) => resolve({ status, signal })));
      child.stdin.on('error', () => {});
      child.stdin.end(labels(given, 2_000));
      given += 2_000;
      let output = '';
      // After so many labels are safe, or so many milliseconds after the start, and then a moment that nobody chose.
      const after = dice(12) === 0 ? 0 : dice(100);
      const kill = () => setTimeout(() => child.kill('SIGKILL'), dice(3));
      if (after === 0) setTimeout(kill, dice(60));
      child.stdout.setEncoding('utf8').on('data', data => {
        const before = output.split('\n').length - 1;
        output += data;
        if (after > 0 && before < after && output.split('\n').length - 1 >= after) kill();
      });
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', data => {
        errors += data;
      });
      const { signal } = await closed;
      assert.equal(signal, 'SIGKILL', `it must not end by itself: ${errors}`);
      const lines = output.split('\n');
      lines.pop();
      if (lines.length === 0) duringStart++;
      for (const id of lines) known.add(id);
      acknowledged += lines.length;
      const found = await onDisk(file);
      for (const id of known) assert(found.has(id), `trial ${round}/${trial}: ${id} was acknowledged and is gone`);
      const extra = [...found].filter(id => !known.has(id));
      assert(extra.length <= 1, `trial ${round}/${trial}: ${extra.length} labels that were never acknowledged`);
      unacknowledged += extra.length;
      for (const id of extra) known.add(id);
    }
    // The next session takes over what the dead ones left, and cleans up after them.
    const { status, stdout, stderr } = await attentionLens(add(file, '--label', 'last'));
    assert.equal(status, 0, stderr);
    known.add(stdout.trim());
    const sidecar = (await readFile(`${file}.al.jsonl`, 'utf8')).trimEnd().split('\n').slice(1);
    assert.deepEqual(new Set(sidecar.map(line => JSON.parse(line).id)), known);
    const left = (await readdir(folder)).filter(name => name.startsWith(`killed-${round}.txt.al.jsonl.`));
    assert.deepEqual(left, []);
  }
  t.diagnostic(
    `${acknowledged} labels acknowledged, ${unacknowledged} safe before they were, ${duringStart} killed while starting`,
  );
  assert(acknowledged > 2_000);
});

test('two processes on one document keep each other’s labels', { timeout: 120_000 }, async () => {
  const file = await documentIn('shared.txt');
  const runs = await Promise.all(
    [0, 300].map(from => attentionLens(add(file, '--batch', '--save-every', '7'), { input: labels(from, 300) })),
  );
  for (const { status, stderr } of runs) assert.equal(status, 0, stderr);
  const given = runs.flatMap(({ stdout }) => stdout.trim().split('\n'));
  assert.equal(new Set(given).size, 600);
  assert.deepEqual(await onDisk(file), new Set(given));
});

describe('files that cannot be written or read', () => {
  test('a file that may not grow is said, and what was acknowledged before is there', {
    timeout: 120_000,
  }, async () => {
    const file = await documentIn('limit.txt');
    const limited = [
      '-c',
      'trap "" XFSZ; ulimit -f 24; exec "$@"',
      'bash',
      executable,
      ...add(file, '--batch', '--save-every', '1000'),
    ];
    const child = spawn('bash', limited, { env: { ...process.env, DOTNET_EnableWriteXorExecute: '0' } });
    await assertCutShort(child, file);
  });

  const disk = process.getuid?.() === 0 && process.platform === 'linux';
  test('a full disk is said, and what was acknowledged before is there', {
    timeout: 120_000,
    skip: !disk && 'only root can mount one',
  }, async () => {
    const small = await mkdtemp(path.join(folder, 'disk-'));
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', small]);
    try {
      const file = path.join(small, 'full.txt');
      await writeFile(file, text);
      await assertCutShort(spawn(executable, add(file, '--batch', '--save-every', '1000')), file);
    } finally {
      await execute('umount', [small]);
    }
  });

  /** The child fails with a sentence; every id it printed is on disk, and goes into the sidecar once there is room. */
  async function assertCutShort(child, file) {
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', data => {
      stdout += data;
    });
    child.stderr.setEncoding('utf8').on('data', data => {
      stderr += data;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(labels(0, 1_000));
    const status = await new Promise(resolve => child.on('close', resolve));
    assert.equal(status, 1, stderr);
    assertSentence(stderr, /\.txt\.al\.jsonl could not be read or written, and nothing in it was changed: /);
    const known = new Set(stdout.trim().split('\n'));
    assert(known.size > 10 && known.size < 1_000, `${known.size} were written`);
    assert.deepEqual(await onDisk(file), known);
    const elsewhere = await documentIn(`roomy-${path.basename(file)}`);
    for (const name of await readdir(path.dirname(file))) {
      if (!name.startsWith(`${path.basename(file)}.al.jsonl`)) continue;
      await copyFile(path.join(path.dirname(file), name), elsewhere + name.slice(path.basename(file).length));
    }
    const next = await attentionLens(add(elsewhere, '--label', 'last'));
    assert.equal(next.status, 0, next.stderr);
    assert.equal((await onDisk(elsewhere)).size, known.size + 1);
  }

  test('a read-only sidecar is said, left as it is, and caught up with later', async () => {
    const file = await documentIn('read-only.txt');
    await writeFile(`${file}.al.jsonl`, `${header}\n`);
    await chmod(`${file}.al.jsonl`, 0o444);
    const { status, stdout, stderr } = await attentionLens(add(file, '--label', 'news'));
    assert.equal(status, 1);
    assertSentence(stderr, /read-only\.txt\.al\.jsonl.*read-only/);
    assert.equal(await readFile(`${file}.al.jsonl`, 'utf8'), `${header}\n`);
    await chmod(`${file}.al.jsonl`, 0o644);
    const next = await attentionLens(add(file, '--label', 'later'));
    assert.equal(next.status, 0, next.stderr);
    const sidecar = await readFile(`${file}.al.jsonl`, 'utf8');
    for (const id of [stdout.trim(), next.stdout.trim()]) assert(sidecar.includes(`"id":"${id}"`));
  });

  test('a sidecar of nonsense keeps every line of it, and each is named', async () => {
    const file = await documentIn('nonsense.txt');
    const nonsense = ['what is this', '{"id": "x"}', '[1, 2, 3]', '{"id": 5, "type": "span"', '"\\ud800"'];
    await writeFile(`${file}.al.jsonl`, `${header}\n${nonsense.join('\n')}\n`);
    const checked = await attentionLens(['annotate', 'check', file]);
    assert.equal(checked.status, 1);
    for (let line = 2; line <= 6; line++) assert.match(checked.stdout, new RegExp(`al\\.jsonl:${line}:1: .+\\.$`, 'm'));
    const added = await attentionLens(add(file, '--label', 'news'));
    assert.equal(added.status, 0, added.stderr);
    const lines = (await readFile(`${file}.al.jsonl`, 'utf8')).split('\n');
    for (const line of nonsense) assert(lines.includes(line), line);
  });

  test('a sidecar that is no text is refused and not touched', async () => {
    const file = await documentIn('binary.txt');
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x80, 0x0a]);
    await writeFile(`${file}.al.jsonl`, bytes);
    await assertRefused(add(file, '--label', 'news'), /binary\.txt\.al\.jsonl is not UTF-8/);
    assert.deepEqual(await readFile(`${file}.al.jsonl`), bytes);
  });

  test('an id goes out only for what is allowed and lies in the text', async () => {
    const file = await documentIn('short.txt', 'Ada 😊');
    await assertRefused(add(file, '--label', 'x', '--start', '0', '--end', '99'), /does not lie in the text/);
    await assertRefused(add(file, '--label', 'x', '--start', '0', '--end', '5'), /surrogate/);
    await assertRefused(add(file, '--batch'), /Line 1: .*JSON/, { input: 'x\n' });
  });
});

test('git merges two annotators of one paragraph through the merge driver', { timeout: 120_000 }, async () => {
  const repository = await mkdtemp(path.join(folder, 'git-'));
  const run = (...args) => execute('git', args, { cwd: repository });
  const file = path.join(repository, 'doc.txt');
  await run('init', '-q', '-b', 'main');
  await run('config', 'user.email', 'a@example.org');
  await run('config', 'user.name', 'A');
  await run('config', 'merge.attention-lens.driver', `"${executable}" annotate merge %A %B --base %O -o %A`);
  await writeFile(path.join(repository, '.gitattributes'), '*.al.jsonl merge=attention-lens\n');
  await writeFile(file, 'Ada met Linus in Paris.\n');
  const label = async (name, start, end) => {
    const { status, stderr } = await attentionLens(
      add(file, '--label', name, '--start', `${start}`, '--end', `${end}`),
    );
    assert.equal(status, 0, stderr);
    await run('add', '-A');
    await run('commit', '-q', '-m', name);
  };
  await label('PER', 0, 3);
  await run('checkout', '-q', '-b', 'other');
  await label('LOC', 17, 22);
  await run('checkout', '-q', 'main');
  await label('PER', 8, 13);
  await run('merge', '-q', '--no-edit', 'other');
  const sidecar = (await readFile(`${file}.al.jsonl`, 'utf8'))
    .trimEnd()
    .split('\n')
    .slice(1)
    .map(line => JSON.parse(line));
  assert.deepEqual(
    sidecar.map(a => a.at[0].quote),
    ['Ada', 'Linus', 'Paris'],
  );
});

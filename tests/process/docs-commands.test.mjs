// Every command line that README and docs show is run as it stands there, in a folder that has what a reader would have.

import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { attentionLens } from './lib/command-line.mjs';

/** Lines that are not run, by what is in them, and why. */
const notRun = [
  ['[options]', 'a synopsis'],
  ['list|show|pull', 'a synopsis'],
  ['PATH... -o FOLDER', 'a synopsis'],
  ['import|export|', 'a synopsis'],
  ['serve --stdio | --pipe NAME', 'a synopsis; server.test.mjs runs the server'],
  ['./opus-mt-', 'a model that the reader would have to download'],
  ['./vit-base-patch16-224', 'a model that the reader would have to download'],
  ['$SLURM_ARRAY_TASK_ID', 'a job of a cluster'],
  ['--broker amqp', 'a broker that the reader would have; corpus.test.mjs runs one'],
];
/** The same for pages whose part is still being written: these need not occur. */
const mayOccur = [
  ['./my-', "the reader's own model"],
  ['./pythia-', 'a model that the reader would have to download'],
  ['movies/', 'a corpus that the reader would have to download'],
];

const pages = [
  'README.md',
  'README.zh-CN.md',
  ...(await readdir(path.join(root, 'docs'))).filter(name => name.endsWith('.md')).map(name => `docs/${name}`),
].sort();

const commands = (await Promise.all(pages.map(commandsOf))).flat();
const reasonOf = line => [...notRun, ...mayOccur].find(([part]) => line.includes(part))?.[1];

/** Lines of fenced blocks, continued ones joined. */
async function commandsOf(page) {
  const text = (await readFile(path.join(root, page), 'utf8')).replaceAll(/\\\r?\n\s*/g, '');
  return [...text.matchAll(/^[ \t]*```.*\n([\s\S]*?)^[ \t]*```/gm)]
    .flatMap(([, block]) => block.split('\n'))
    .map(line => line.trim().replace(/^dist\//, ''))
    .filter(line => line.startsWith('attention-lens '))
    .map(line => ({ page, line }));
}

/** Words as a shell takes them: quotes hold spaces, a comment ends the line. */
function words(line) {
  const found = line.replace(/\s#\s.*$/, '').match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  return found.slice(1).map(word => word.replaceAll(/^["']|["']$/g, ''));
}

let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-docs-'));
  await cp(path.join(root, 'samples'), path.join(folder, 'samples'), { recursive: true });
  await mkdir(path.join(folder, 'out'));
  for (const name of ['lighthouse.txt', 'attention-lens.labels.json']) {
    await cp(path.join(root, 'samples', name), path.join(folder, 'out', name));
  }
  await cp(path.join(root, 'samples/agreement.txt'), path.join(folder, 'notes.txt'));
  await mkdir(path.join(folder, 'standoff'));
  await writeFile(path.join(folder, 'standoff/doc.txt'), 'Ada met Linus in Paris.\n');
  await writeFile(path.join(folder, 'standoff/doc.ann'), 'T1\tPER 0 3\tAda\nT2\tLOC 17 22\tParis\n');
});
after(() => rm(folder, { recursive: true }));

/** The second annotator of the page's example labels as the first did. */
async function secondAnnotator() {
  const corpus = path.join(folder, 'corpus');
  for (const name of await readdir(corpus)) {
    if (name.includes('@ada.')) await cp(path.join(corpus, name), path.join(corpus, name.replace('@ada.', '@ben.')));
  }
}

describe('commands of the documentation', () => {
  test('there are some, and what is not run is still shown', () => {
    assert(commands.length > 15, `${commands.length} command lines were found`);
    for (const [part] of notRun)
      assert(
        commands.some(({ line }) => line.includes(part)),
        `no page shows "${part}"`,
      );
  });

  // In their order on the page: later ones use what earlier ones wrote.
  for (const { page, line } of commands.filter(({ line }) => !reasonOf(line))) {
    test(`${page}: ${line}`, async () => {
      if (line.includes('--by ben')) await secondAnnotator();
      const { status, stderr } = await attentionLens(words(line), { cwd: folder, timeout: 300_000 });
      assert.equal(status, 0, stderr);
    });
  }
});

test('the directive behind the completion scripts completes', async () => {
  const line = 'attention-lens annotate ex';
  const { status, stdout } = await attentionLens([`[suggest:${line.length}]`, line]);
  assert.equal(status, 0);
  assert.deepEqual(stdout.trim().split(/\r?\n/), ['export']);
});

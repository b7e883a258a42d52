// Every command line of the program that README and docs show is run as it stands there, in a folder that has what a reader would have. Of the commands that
// build, measure, train or draw, which take minutes, what they name is looked for: scripts, files, projects, tests.

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
  ['--methods raw,rollout,relevancy,leave-one-out', 'as long as the report of docs/cli.md, which is made'],
  ['[suggest:POSITION]', 'a synopsis; its test is below'],
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
  ...(await readdir(path.join(root, 'docs'), { recursive: true }))
    .filter(name => name.endsWith('.md'))
    .map(name => path.posix.join('docs', name.replaceAll('\\', '/'))),
].sort();
/** Pages beside the documentation, and the folder in which their commands are meant. */
const otherPages = [
  ['CONTRIBUTING.md', '.'],
  ['SECURITY.md', '.'],
  ['samples/README.md', '.'],
  ['training/README.md', 'training'],
  ['training/convert/README.md', '.'],
];

const lines = (await Promise.all(pages.map(page => linesOf(page)))).flat();
const commands = lines.filter(
  // In running text a command is often named and not meant whole: one that has its text or file is.
  ({ line, isFenced }) => line.startsWith('attention-lens ') && (isFenced || /"[^"]* [^"]*"| -f /.test(line)),
);
const reasonOf = line => [...notRun, ...mayOccur].find(([part]) => line.includes(part))?.[1];

/** What stands in fenced blocks, line by line, continued ones joined, and in spans of code. */
async function linesOf(page, folder = '.') {
  const text = (await readFile(path.join(root, page), 'utf8')).replaceAll(/\\\r?\n\s*/g, '');
  const fence = /^[ \t]*```.*\n([\s\S]*?)^[ \t]*```/gm;
  const fenced = [...text.matchAll(fence)].flatMap(([, block]) => block.split('\n'));
  const spans = [...text.replaceAll(fence, '').matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map(([, span]) => span);
  return [
    ...fenced.map(line => ({ page, folder, line, isFenced: true })),
    ...spans.map(line => ({ page, folder, line, isFenced: false })),
  ].map(entry => ({ ...entry, line: entry.line.trim().replace(/^dist\//, '') }));
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

describe('commands that build, measure, train or draw', async () => {
  const all = [...lines, ...(await Promise.all(otherPages.map(([page, folder]) => linesOf(page, folder)))).flat()];
  const { scripts } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const benchmarks = await readFile(path.join(root, 'benchmarks/AttentionLens.Benchmarks/Program.cs'), 'utf8');
  const named = all.filter(({ line }) => /(^|\s)(node|npm|dotnet|python3) /.test(line) && !line.includes('import '));

  test('there are some', () => assert(named.length > 30, `${named.length} were found`));

  for (const line of new Set(named.map(({ line }) => line))) {
    const { page, folder } = named.find(entry => entry.line === line);
    test(`${page}: ${line}`, async () => {
      const [program, ...rest] = line.replace(/^(?:\w+=\S+ |nice -n \d+ )*/, '').split(/\s+/);
      const at = name =>
        readdir(path.dirname(path.join(root, folder, name))).then(names => names.includes(path.basename(name)));
      if (program === 'npm') {
        const script = rest[0] === 'run' ? rest[1] : rest[0];
        assert(script in scripts, `package.json has no script "${script}"`);
      } else if (program === 'dotnet') {
        const project = rest.includes('--project') ? rest[rest.indexOf('--project') + 1] : rest[1];
        if (/[\\/]/.test(project)) assert(await at(project), `${project} is not there`);
        const section =
          line.includes('AttentionLens.Benchmarks -- ') &&
          rest.slice(rest.indexOf('--') + 1).find(word => /^[a-z]+$/.test(word));
        if (section) assert(benchmarks.includes(`"${section}"`), `the benchmarks have no section "${section}"`);
        const filter = rest.includes('--filter') && rest[rest.indexOf('--filter') + 1];
        if (filter) {
          const sources = (await readdir(path.join(root, project), { recursive: true })).filter(name =>
            /^(?!(bin|obj)[\\/]).*\.cs$/.test(name),
          );
          const text = (await Promise.all(sources.map(name => readFile(path.join(root, project, name), 'utf8')))).join(
            '\n',
          );
          assert(text.includes(filter), `no test of ${project} is named ${filter}`);
        }
      } else {
        assert(await at(rest[0]), `${rest[0]} is not there`);
      }
    });
  }
});

// npm test: builds everything and runs every test there is. The last line is the total over all runners.

import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { build, installDependencies } from './lib/build.mjs';
import { out, root } from './lib/paths.mjs';
import { main, run, StepError, Steps } from './lib/process.mjs';
import { checkToolchain, ensurePrograms } from './lib/requirements.mjs';
import { add, none, readJunit, readTrx } from './lib/results.mjs';
import { ensureWorkbench } from './lib/workbench.mjs';

const results = path.join(out, 'test');
const total = none();

await main(async () => {
  const steps = new Steps();
  try {
    await steps.step('toolchain', checkToolchain);
    await rm(results, { recursive: true, force: true });
    await mkdir(results, { recursive: true });
    // Before the build, so that the publish in it finds the libraries compiled.
    // The packages come over the network meanwhile.
    await Promise.all([steps.step('compile server and tests', compile), installDependencies()]);
    await build(steps);
    const keepGoing = { keepGoing: true };
    await steps.step('format and types', checkSources, keepGoing);
    await steps.step('server tests', testServer, keepGoing);
    // Beside each other: the parity tests keep one core busy, the process tests wait for much of their time.
    await Promise.all([
      steps.step('tokenizer parity', () => testWorkspace('tests/tokenizer-parity'), keepGoing),
      steps.step('process tests', () => testWorkspace('tests/process'), keepGoing),
    ]);
    // The component tests of the panels need the browser too.
    await steps.step('browser and workbench', prepareWorkbench, keepGoing);
    await steps.step('client tests', testClient, keepGoing);
    await steps.step('end-to-end tests', () => testWorkspace('tests/e2e'), keepGoing);
  } finally {
    for (const failure of total.failures) console.log(`\nfailed: ${failure}`);
    steps.printSummary();
    // A step that broke before it could count its tests is a failure of its own.
    const failed = Math.max(total.failed, steps.failed ? 1 : 0);
    if (total.skipped > 0) console.log(`\n${total.skipped} not applicable here`);
    console.log(`\n${total.passed} passed, ${failed} failed`);
    if (failed > 0) process.exitCode = 1;
  }
});

/**
 * By one compiler process for all projects, also where the environment asks for one per project: starting it anew takes as
 * long as a small project. It is sent away at once, so that nothing outlives the tests.
 */
async function compile() {
  const options = ['-c', 'Release', '-v', 'quiet', '-nologo', '-p:UseSharedCompilation=true'];
  await run('dotnet', ['build', 'AttentionLens.sln', ...options], { cwd: root });
  await run('dotnet', ['build-server', 'shutdown', '--vbcscompiler'], { capture: true, allowFailure: true });
}

async function checkSources() {
  await run('npm', ['run', '--silent', 'check'], { cwd: root });
  await run('npm', ['run', '--silent', 'check', '--workspaces', '--if-present'], { cwd: root });
}

/** Project by project: each then writes a results file of its own, and their thread pools do not fight for the cores. */
async function testServer() {
  const projects = (await readdir(path.join(root, 'tests'))).filter(name => name.endsWith('.Tests'));
  const sum = none();
  const problems = [];
  for (const project of projects) {
    const folder = path.join(results, project);
    const assembly = path.join(root, 'tests', project, 'bin/Release/net10.0', `${project}.dll`);
    const { code } = await run(
      'dotnet',
      ['test', assembly, '--nologo', '--logger', 'trx;LogFileName=results.trx', '--results-directory', folder],
      { cwd: root, allowFailure: true },
    );
    const counts = await readTrx(path.join(folder, 'results.trx')).catch(none);
    report(project, counts);
    add(sum, counts);
    if (!ran(counts)) problems.push(`no test ran in ${project}`);
    else if (code !== 0 && counts.failed === 0) problems.push(`${project} exited with status ${code}`);
  }
  return settle(sum, problems);
}

async function testClient() {
  const file = path.join(results, 'client.xml');
  const { code } = await run(
    'npm',
    [
      'test',
      '--silent',
      '--workspace',
      'tests/client',
      '--',
      '--reporter=default',
      '--reporter=junit',
      `--outputFile.junit=${file}`,
    ],
    { cwd: root, allowFailure: true },
  );
  return settleJunit(code, file, 'client');
}

async function prepareWorkbench() {
  await ensurePrograms('chromium', 'fonts');
  return ensureWorkbench();
}

/** A workspace whose tests run on node:test. */
async function testWorkspace(workspace) {
  const name = path.basename(workspace);
  const file = path.join(results, `${name}.xml`);
  const { code } = await run('npm', ['test', '--silent', '--workspace', workspace], {
    cwd: root,
    allowFailure: true,
    env: { ATTENTIONLENS_JUNIT: file },
  });
  return settleJunit(code, file, name);
}

async function settleJunit(code, file, name) {
  const counts = await readJunit(file);
  report(name, counts);
  const problems = [];
  if (!ran(counts)) problems.push(`no test ran in ${name}`);
  else if (code !== 0 && counts.failed === 0) problems.push(`${name} exited with status ${code}`);
  return settle(counts, problems);
}

function ran(counts) {
  return counts.passed + counts.failed > 0;
}

function report(name, { passed, failed, skipped }) {
  console.log(`  ${name}: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} not applicable` : ''}`);
}

/** Adds a step's counts to the total, and fails the step when a test failed, none ran, or a runner broke. */
function settle(counts, problems) {
  add(total, counts);
  const note = [`${counts.passed} passed, ${counts.failed} failed`, ...problems].join('; ');
  if (counts.failed > 0 || problems.length > 0) throw new StepError(note);
  return note;
}

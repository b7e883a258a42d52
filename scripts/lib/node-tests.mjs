import { spawn } from 'node:child_process';
import path from 'node:path';
import { StepError } from './process.mjs';

/** The *.test.mjs among `names` that have one of the wanted words in their names. */
export function selectTests(folder, names, wanted) {
  const files = names.filter(
    name => name.endsWith('.test.mjs') && (wanted.length === 0 || wanted.some(word => name.includes(word))),
  );
  if (files.length === 0)
    throw new StepError(`No test file in ${folder} has one of these words in its name: ${wanted}`);
  return files.map(name => path.join(folder, name));
}

/** Runs files one after the other with node:test, also writing JUnit to `ATTENTIONLENS_JUNIT`; returns the exit status. */
export function runNodeTests(files, env) {
  const junit = process.env.ATTENTIONLENS_JUNIT;
  const args = ['--test', '--test-concurrency=1', '--test-reporter=spec', '--test-reporter-destination=stdout'];
  if (junit) args.push('--test-reporter=junit', `--test-reporter-destination=${junit}`);
  const child = spawn(process.execPath, [...args, ...files], { stdio: 'inherit', env: { ...process.env, ...env } });
  return new Promise(resolve => child.on('close', code => resolve(code ?? 1)));
}

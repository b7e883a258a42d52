// npm test in this folder: starts one workbench with dist/attention-lens.vsix in it, runs *.test.mjs against it, stops it.
// npm test -- attention heatmap: only the files with these words in their names.

import { spawn } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { dist, out } from '../../scripts/lib/paths.mjs';
import { main, StepError } from '../../scripts/lib/process.mjs';
import { ensurePrograms } from '../../scripts/lib/requirements.mjs';
import { startWorkbench } from '../../scripts/lib/workbench.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Steady screenshots, no network, nothing that competes with the extension for the editor. */
const settings = {
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'security.workspace.trust.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.settings.enableNaturalLanguageSearch': false,
  'workbench.reduceMotion': 'on',
  'files.autoSave': 'off',
  'editor.occurrencesHighlight': 'off',
  'editor.cursorBlinking': 'solid',
  'editor.minimap.enabled': false,
  'editor.wordWrap': 'on',
  'git.enabled': false,
  'npm.autoDetect': 'off',
};

await main(async () => {
  const wanted = process.argv.slice(2);
  const files = (await readdir(here))
    .filter(name => name.endsWith('.test.mjs') && (wanted.length === 0 || wanted.some(word => name.includes(word))))
    .map(name => path.join(here, name));
  if (files.length === 0)
    throw new StepError(`No end-to-end test has one of these words in its name: ${wanted.join(', ')}`);
  await ensurePrograms('chromium', 'fonts');
  await rm(path.join(out, 'e2e'), { recursive: true, force: true });
  const workbench = await startWorkbench({ vsix: path.join(dist, 'attention-lens.vsix'), settings });
  try {
    const junit = process.env.ATTENTIONLENS_JUNIT;
    process.exitCode = await nodeTest(
      [
        '--test-concurrency=1',
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        ...(junit ? ['--test-reporter=junit', `--test-reporter-destination=${junit}`] : []),
        ...files,
      ],
      { ATTENTIONLENS_WORKBENCH: workbench.url, ATTENTIONLENS_WORKBENCH_STATE: workbench.state },
    );
    if (process.exitCode !== 0) console.error(workbench.log);
  } finally {
    await workbench.stop();
  }
});

function nodeTest(args, env) {
  const child = spawn(process.execPath, ['--test', ...args], { stdio: 'inherit', env: { ...process.env, ...env } });
  return new Promise(resolve => child.on('close', code => resolve(code ?? 1)));
}

// npm test in this folder: starts one workbench with dist/attention-lens.vsix in it, runs *.test.mjs against it, stops it.
// npm test -- attention heatmap: only the files with these words in their names.

import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNodeTests, selectTests } from '../../scripts/lib/node-tests.mjs';
import { dist, out } from '../../scripts/lib/paths.mjs';
import { main } from '../../scripts/lib/process.mjs';
import { ensurePrograms } from '../../scripts/lib/requirements.mjs';
import { startWorkbench } from '../../scripts/lib/workbench.mjs';
import { settings } from './lib/settings.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

await main(async () => {
  const files = selectTests(here, await readdir(here), process.argv.slice(2));
  await ensurePrograms('chromium', 'fonts');
  await rm(path.join(out, 'e2e'), { recursive: true, force: true });
  const workbench = await startWorkbench({ vsix: path.join(dist, 'attention-lens.vsix'), settings });
  try {
    process.exitCode = await runNodeTests(files, {
      ATTENTIONLENS_WORKBENCH: workbench.url,
      ATTENTIONLENS_WORKBENCH_STATE: workbench.state,
    });
  } finally {
    const logs = path.join(out, 'e2e/logs');
    const { log } = workbench;
    await workbench.stop({ keepLogs: logs });
    await writeFile(path.join(logs, 'workbench.log'), log);
    if (process.exitCode !== 0) console.error(`Pictures of failures are in ${path.dirname(logs)}, logs in ${logs}.`);
  }
});

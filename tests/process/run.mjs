// npm test in this folder: runs *.test.mjs against the published dist/attention-lens.
// npm test -- server: only the files with this word in their names.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNodeTests, selectTests } from '../../scripts/lib/node-tests.mjs';
import { main } from '../../scripts/lib/process.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

await main(async () => {
  process.exitCode = await runNodeTests(selectTests(here, await readdir(here), process.argv.slice(2)), {});
});

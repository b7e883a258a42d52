// npm test in this folder: parity.test.mjs against the published dist/attention-lens.

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNodeTests } from '../../scripts/lib/node-tests.mjs';
import { main } from '../../scripts/lib/process.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

await main(async () => {
  process.exitCode = await runNodeTests([path.join(here, 'parity.test.mjs')], {});
});

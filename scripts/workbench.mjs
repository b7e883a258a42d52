// node scripts/workbench.mjs: installs the browser workbench ahead of time and prints where it is.
import { main } from './lib/process.mjs';
import { ensureWorkbench } from './lib/workbench.mjs';

await main(async () => console.log(await ensureWorkbench()));

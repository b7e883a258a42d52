// npm run build: dist/attention-lens (server and command line), dist/models, dist/attention-lens.vsix (the extension).
// npm run build -- --target win32-x64 --target universal: packages for other platforms, in dist/packages; `universal` runs
// on an installed .NET 10 wherever there is one.

import path from 'node:path';
import { parseArgs } from 'node:util';
import { build, bundleClient, installDependencies, packageExtension, publishServer } from './lib/build.mjs';
import { dist, out } from './lib/paths.mjs';
import { main, Steps } from './lib/process.mjs';
import { checkToolchain } from './lib/requirements.mjs';

await main(async () => {
  const { values } = parseArgs({ options: { target: { type: 'string', multiple: true } } });
  checkToolchain();
  const steps = new Steps();
  try {
    if (!values.target) {
      await build(steps);
      return;
    }
    await steps.step('npm packages', installDependencies);
    await steps.step('client', bundleClient);
    for (const target of values.target) {
      const server = path.join(out, 'server', target);
      await steps.step(`server ${target}`, () => publishServer(target, server));
      await steps.step(`package ${target}`, () =>
        packageExtension(target, server, path.join(dist, `packages/attention-lens-${target}.vsix`)),
      );
    }
  } finally {
    steps.printSummary();
  }
});

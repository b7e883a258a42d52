// npm start: installs, builds, and opens VS Code on samples/ with the extension in it.
// Desktop VS Code where `code` is on the PATH, otherwise VS Code in the browser, printing its address.
// Options: --port N (browser workbench), --no-open (print the address only), --browser (even where `code` is there).

import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './lib/build.mjs';
import { writeLargeSample } from './lib/large-sample.mjs';
import { dist, root } from './lib/paths.mjs';
import { main, run, StepError, Steps, which } from './lib/process.mjs';
import { checkToolchain } from './lib/requirements.mjs';
import { startWorkbench } from './lib/workbench.mjs';

await main(async () => {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, 'no-open': { type: 'boolean' }, browser: { type: 'boolean' } },
  });
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65535))
    throw new StepError(`--port takes a port number, not "${values.port}".`);
  checkToolchain();
  const steps = new Steps();
  await build(steps);

  const vsix = path.join(dist, 'attention-lens.vsix');
  const code = values.browser ? undefined : which('code');
  if (code) await openDesktop(vsix);
  else await openBrowser(vsix, port, !values['no-open']);
});

/** A window of its own, with its own user data and extensions: the user's editor is left as it is. */
async function openDesktop(vsix) {
  const state = await mkdtemp(path.join(tmpdir(), 'attentionlens-code-'));
  const own = ['--user-data-dir', path.join(state, 'data'), '--extensions-dir', path.join(state, 'extensions')];
  try {
    await run('code', [...own, '--install-extension', vsix, '--force'], { capture: true });
    console.log(
      '\nVS Code opens on samples/. Put the cursor in a paragraph and press Ctrl+Alt+A (Cmd+Alt+A on a Mac). Closing its window ends this command.',
    );
    await writeLargeSample(path.join(root, 'samples'));
    await run('code', [...own, '--new-window', '--wait', '--disable-workspace-trust', path.join(root, 'samples')]);
  } finally {
    await rm(state, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 });
  }
}

async function openBrowser(vsix, port, open) {
  const workspace = await mkdtemp(path.join(tmpdir(), 'attentionlens-samples-'));
  await cp(path.join(root, 'samples'), workspace, { recursive: true });
  await writeLargeSample(workspace);
  const workbench = await startWorkbench({
    vsix,
    port,
    preferredPort: 8642,
    settings: { 'workbench.startupEditor': 'none', 'files.autoSave': 'off' },
  });
  const address = `${workbench.url}/?folder=${encodeURIComponent(workspace)}`;
  console.log(`\nAttentionLens is open at\n\n  ${address}\n`);
  console.log(
    'Open a file, put the cursor in a paragraph and press Ctrl+Alt+A (Cmd+Alt+A on a Mac). Ctrl+C here ends it.',
  );
  if (open) openAddress(address);

  const interrupted = new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, resolve);
  });
  await Promise.race([interrupted, workbench.exited]);
  await workbench.stop();
  await rm(workspace, { recursive: true, force: true });
}

/** Best effort: on a machine without a desktop the printed address is all there is. */
function openAddress(address) {
  const opener =
    process.platform === 'darwin'
      ? 'open'
      : process.env.DISPLAY || process.env.WAYLAND_DISPLAY
        ? which('xdg-open')
        : undefined;
  if (opener)
    spawn(opener, [address], { stdio: 'ignore', detached: true })
      .on('error', () => {})
      .unref();
}

// npm start as a stranger without a desktop VS Code runs it: from the command to tinted tokens, and back to nothing.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { openWindow } from './lib/editor.mjs';

test('npm start opens a workbench on the samples, and Ctrl-C stops all of it', { timeout: 600_000 }, async () => {
  // Its own process group, as a terminal gives it, so that the interrupt reaches npm and its children as Ctrl-C does.
  const start = spawn('npm', ['start', '--', '--browser', '--no-open', '--port', '0'], { cwd: root, detached: true });
  let output = '';
  const ended = new Promise(resolve => start.on('close', resolve));
  const address = await new Promise((resolve, reject) => {
    for (const stream of [start.stdout, start.stderr]) {
      stream.setEncoding('utf8').on('data', text => {
        output += text;
        const found = /http:\/\/127\.0\.0\.1:\d+\/\S*/.exec(output);
        if (found && output.includes('Ctrl+C')) resolve(found[0]);
      });
    }
    ended.then(() => reject(new Error(`npm start ended before it printed an address:\n${output}`)));
  });
  const editor = await openWindow(address);
  try {
    await editor.openFile('lighthouse.txt');
    await editor.placeCursor('northern');
    await editor.page.keyboard.press('Control+Alt+a');
    await editor.until(
      async () => (await editor.shades()).marks.filter(mark => mark.fill).length,
      count => count > 20,
      'tinted tokens',
    );
    await editor.screenshot('npm-start');
  } finally {
    await editor.closeWindow();
    process.kill(-start.pid, 'SIGINT');
  }
  await ended;
  await assert.rejects(fetch(address), 'the workbench is gone');
});

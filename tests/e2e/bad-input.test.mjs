// What a user meets who asks for attention where there is none: one clear sentence, and an editor that works on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openEditor } from './lib/editor.mjs';

let editor;
before(async () => {
  editor = await openEditor({
    files: {
      'empty.txt': '',
      'one-line.txt': `${'the cat sat on the mat and '.repeat(40_000)}\n`,
      'latin.txt': Buffer.from('caf\xe9 au lait is what the captain ordered\n', 'latin1'),
    },
  });
});
after(() => editor?.close());

/** The message of the notification or of the status bar's tooltip is VS Code's business; that it is one sentence is ours. */
async function problem() {
  const item = editor.page.locator('.statusbar-item[id*="attention" i] .codicon-warning').first();
  const toast = editor.page.locator('.notification-toast .notification-list-item-message').first();
  await item.or(toast).first().waitFor();
  return (await toast.isVisible()) ? toast.innerText() : 'in the status bar';
}

const works = async () => {
  await editor.openFile('agreement.txt');
  await editor.placeCursor('cabinets');
  await editor.run('AttentionLens: Show Attention');
  await editor.until(
    async () => (await editor.shades()).marks.filter(mark => mark.fill).length,
    count => count > 20,
    'tints on an ordinary text afterwards',
  );
  await editor.run('AttentionLens: Clear Attention');
};

test('an empty file', async () => {
  await editor.openFile('empty.txt');
  await editor.run('AttentionLens: Show Attention');
  assert.doesNotMatch(await problem(), /Exception|undefined|null/);
  await editor.screenshot('bad-empty');
  await works();
});

test('a line of a million characters', async () => {
  await editor.openFile('one-line.txt');
  await editor.run('AttentionLens: Show Attention');
  // It shows what the model can read and says so, or says that it cannot.
  await editor.until(
    async () =>
      (await editor.shades()).marks.some(mark => mark.fill) ||
      (await editor.page.locator('.notification-toast').count()) > 0,
    Boolean,
    'tints or a sentence for a million characters',
  );
  await editor.screenshot('bad-one-line');
  await works();
});

test('a file that is not UTF-8 is text to VS Code, and so to AttentionLens', async () => {
  await editor.openFile('latin.txt');
  await editor.placeCursor('captain');
  await editor.run('AttentionLens: Show Attention');
  await editor.until(
    async () => (await editor.shades()).marks.filter(mark => mark.fill).length,
    count => count > 10,
    'tints on a Latin-1 file',
  );
  await editor.screenshot('bad-latin');
});

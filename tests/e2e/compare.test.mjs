// The compare view: the text in the editor against the saved file, the committed file, another text and another model.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { openEditor } from './lib/editor.mjs';

let editor;
before(async () => {
  editor = await openEditor({
    settings: { 'attentionLens.layer': 0, 'attentionLens.head': 0, 'git.enabled': true },
    prepare: workspace => {
      const git = (...args) => execFileSync('git', args, { cwd: workspace });
      git('init', '--quiet');
      git('add', '.');
      git('-c', 'user.name=Test', '-c', 'user.email=test@example.org', 'commit', '--quiet', '-m', 'all');
    },
  });
  await editor.openFile('coreference.txt');
  await editor.placeCursor('trophy');
  await editor.run('AttentionLens: Show Attention');
});
after(() => editor?.close());

const compareWith = async (...choices) => {
  await editor.run('AttentionLens: Compare Attention With');
  for (const choice of choices) await editor.pick(choice);
  // Away from the plot, where the readout would speak of the cell under it.
  await editor.page.mouse.move(2, 2);
};
const readout = text => editor.panel().getByTestId('readout').filter({ hasText: text }).waitFor();
const label = text => editor.panel().locator('footer .what', { hasText: text }).waitFor();

test('a text that was not edited does not differ from the saved file', async () => {
  await compareWith('The saved file');
  await label('this text − the saved file · layer 0 · head 0');
  await readout('On average 0 %');
});

test('what was typed since is said, and drawn', async () => {
  await editor.placeCursor('trophy');
  await editor.page.keyboard.press('Control+ArrowRight');
  await editor.page.keyboard.type(' golden');
  // "golden" may be several tokens; the saved file has none of them.
  await readout(/Tokens: [1-9]\d* only in this text, 0 only in the saved file\./);
  const plot = editor.panel().locator('.plot');
  const { colors } = await editor.until(
    () => editor.pixels(plot),
    seen => Object.keys(seen.colors).length >= 20,
    'a drawn difference',
  );
  assert(Object.keys(colors).length >= 20);
  await editor.screenshot('compare-saved');
});

test('after saving it stands against git HEAD', async () => {
  await editor.page.keyboard.press('Control+s');
  await readout('On average 0 %');
  await compareWith('The committed file (git HEAD)');
  await label('this text − git HEAD');
  await readout(/Tokens: [1-9]\d* only in this text, 0 only in git HEAD\./);
  await editor.screenshot('compare-head');
});

test('a text that was selected for it is compared with', async () => {
  await editor.placeCursor('Maria');
  await editor.run('AttentionLens: Select Text for Attention Compare');
  await editor.placeCursor('trophy');
  await compareWith('selected for compare');
  await label('this text − coreference.txt:');
  await readout(/Tokens: [1-9]\d* only in this text, [1-9]\d* only in coreference\.txt/);
  await editor.screenshot('compare-texts');
});

test('a second model is loaded beside the first', async () => {
  const folder = path.join(editor.workspace, '..', `${path.basename(editor.workspace)}-twin`);
  await cp(path.join(root, 'models/mini-encoder'), folder, { recursive: true });
  await compareWith('A model by name or path');
  await editor.page.locator('.quick-input-widget input').first().fill(folder);
  await editor.page.keyboard.press('Enter');
  await label(`mini-encoder − ${path.basename(folder)}`);
  await readout('On average 0 %');
  await editor.screenshot('compare-models');
});

test('another head of the same text is still a choice', async () => {
  await compareWith('Another layer or head of this text');
  await label('layer 0 · head 0 − mean of layers · mean of heads');
});

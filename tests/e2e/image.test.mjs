// The image view: an image file, what the class token attends to on it, a head from the maps.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dist, executableName, root } from '../../scripts/lib/paths.mjs';
import { openEditor } from './lib/editor.mjs';
import { visionModel } from './lib/models.mjs';

let editor;
let models;
let model;
before(async () => {
  models = await mkdtemp(path.join(tmpdir(), 'attentionlens-models-'));
  model = await visionModel(path.join(models, 'tiny-vit'));
  editor = await openEditor({
    files: { 'picture.jpg': await readFile(path.join(root, 'tests/fixtures/images/baseline-444.jpg')) },
    settings: { 'attentionLens.imageModel': model },
  });
});
after(async () => {
  await editor?.close();
  await rm(models, { recursive: true, force: true });
});

/** The row of the class token as the command line has it, and the patch that it looks at most. */
function classToken(layer, head) {
  const file = path.join(editor.workspace, 'picture.jpg');
  const args = ['attend', '--image', file, '--model', model, '--layer', layer, '--head', head, '--format', 'json'];
  const output = execFileSync(path.join(dist, executableName), args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const row = JSON.parse(output).stacks[0].layers[0].heads[0].rows[0];
  const best = row.reduce((best, weight, key) => (key > 0 && (best === 0 || weight > row[best]) ? key : best), 0);
  return { best: `${Math.floor((best - 1) / 5)},${(best - 1) % 5}`, weight: row[best].toFixed(3) };
}

const readout = text => editor.panel().getByTestId('readout').filter({ hasText: text }).waitFor();

test('an image that is open shows what the class token attends to', async () => {
  await editor.page.keyboard.press('Control+p');
  await editor.page.locator('.quick-input-widget input').first().fill('picture.jpg');
  await editor.pick('picture.jpg');
  await editor.page.locator('.tab.active[data-resource-name="picture.jpg"]').waitFor();
  // By the button: a key that is pressed while the picture loads goes to its frame.
  await editor.page.locator('.editor-actions .codicon-eye').first().click();
  const canvas = editor.panel().locator('.picture canvas');
  await canvas.waitFor();
  const { best, weight } = classToken('mean', 'mean');
  await readout(`the class token attends to patch ${best} ${weight}`);
  await editor.until(
    () => editor.pixels(canvas),
    seen => Object.keys(seen.colors).length >= 30,
    'a picture with attention on it',
  );
  await editor.screenshot('image');
});

test('a head chosen in the maps is drawn on the picture', async () => {
  const maps = editor.panel().getByRole('grid', { name: 'All heads' });
  await maps.focus();
  for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'Enter']) await editor.page.keyboard.press(key);
  const { best, weight } = classToken('1', '2');
  await readout(`the class token attends to patch ${best} ${weight}`);
  await editor.until(
    () => editor.panel().locator('footer .what').innerText(),
    text => /^tiny-vit · .*layer 1 · head 2/.test(text),
    'the head in the footer',
  );
  await editor.screenshot('image-head');
});

test('a method from the picker weighs the picture anew', async () => {
  await editor.panel().getByRole('button', { name: 'Method: raw' }).click();
  await editor.pick('rollout');
  await editor.panel().getByRole('button', { name: 'Method: rollout' }).waitFor();
  await editor.screenshot('image-rollout');
});

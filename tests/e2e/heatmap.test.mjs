// The heatmap panel: draws one head of the shown text, follows the editor's cursor, and marks tokens in the editor.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openEditor } from './lib/editor.mjs';

let editor;
let canvas;
before(async () => {
  editor = await openEditor();
  await editor.openFile('coreference.txt');
  await editor.placeCursor('trophy');
  await editor.run('AttentionLens: Show Attention');
  await editor.run('AttentionLens: Open Heatmap');
  canvas = editor.panel().locator('canvas').first();
  await canvas.waitFor();
});
after(() => editor?.close());

test('it draws many different values', async () => {
  const { colors } = await editor.until(
    () => editor.pixels(canvas),
    seen => Object.keys(seen.colors).length >= 20,
    'a drawn heatmap',
  );
  assert(Object.keys(colors).length >= 20);
  await editor.screenshot('heatmap');
});

test('it follows the cursor of the editor', async () => {
  const before = await editor.pixels(canvas);
  await editor.placeCursor('suitcase');
  await editor.until(
    () => editor.pixels(canvas),
    seen => JSON.stringify(seen.colors) !== JSON.stringify(before.colors),
    'another row marked',
  );
  await editor.screenshot('heatmap-follows');
});

test('the pointer over a cell marks its two tokens in the editor', async () => {
  const { x, y, width, height } = await canvas.boundingBox();
  const outlined = async () => {
    const { text, marks } = await editor.shades();
    return [...text].filter((_, i) => marks[i]?.outline).join('');
  };
  const before = await outlined();
  await editor.page.mouse.move(x + width * 0.6, y + height * 0.4);
  await editor.page.mouse.move(x + width * 0.6 + 2, y + height * 0.4 + 2);
  await editor.until(outlined, now => now.length > 0 && now !== before, 'two tokens outlined in the editor');
  await editor.screenshot('heatmap-cell');
});

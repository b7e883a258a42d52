// Every panel opens from the palette and draws the shown text.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openEditor } from './lib/editor.mjs';

let editor;
before(async () => {
  editor = await openEditor({ settings: { 'attentionLens.layer': 0, 'attentionLens.head': 0 } });
  await editor.openFile('coreference.txt');
  await editor.placeCursor('trophy');
  await editor.run('AttentionLens: Show Attention');
});
after(() => editor?.close());

for (const name of ['Model View', 'Head View', 'Row View', 'Neuron View']) {
  test(`${name} draws`, async () => {
    await editor.placeCursor('suitcase');
    await editor.run(`AttentionLens: Open ${name}`);
    const content = editor.panel().locator('#root');
    await content.waitFor();
    const { colors } = await editor.until(
      () => editor.pixels(content),
      seen => Object.keys(seen.colors).length >= 30,
      `a drawn ${name}`,
    );
    assert(Object.keys(colors).length >= 30);
    await editor.screenshot(name.toLowerCase().replace(' ', '-'));
  });
}

test('the prediction moves with the word that is masked and with the head that is switched off', async () => {
  await editor.placeCursor('suitcase');
  await editor.run('AttentionLens: Open Prediction View');
  const panel = editor.panel();
  const bars = panel.locator('table.bars tbody tr');
  const outputs = async () => (await bars.allInnerTexts()).map(text => text.replaceAll(/\s+/g, ' '));
  const first = await editor.until(outputs, seen => seen.length >= 10, 'ten outputs');
  for (const output of first.slice(0, 10)) assert.match(output, /\d %/);
  await editor.until(
    () => panel.locator('table.lens tbody tr').count(),
    count => count === 5,
    'the embeddings and four layers',
  );

  // The cursor is the token that is asked about.
  await editor.placeCursor('trophy');
  await panel.getByRole('button', { name: /^Mask / }).waitFor();
  const unmasked = await editor.until(
    outputs,
    seen => seen.length >= 10 && JSON.stringify(seen) !== JSON.stringify(first),
    'the outputs at another word',
  );
  await panel.getByRole('button', { name: /^Mask / }).click();
  await panel.locator('.changes li').waitFor();
  await panel.locator('.moved').waitFor();

  await panel.getByRole('button', { name: 'Change Head' }).click();
  await editor.until(
    () => panel.locator('.changes li').count(),
    count => count === 2,
    'two changes',
  );
  await editor.screenshot('prediction-view');
  await panel.getByRole('button', { name: 'Take All Back' }).click();
  await editor.until(outputs, seen => JSON.stringify(seen) === JSON.stringify(unmasked), 'what it said before');
});

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

for (const name of ['Model View', 'Head View', 'Row View']) {
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

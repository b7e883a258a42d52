// Makes the pictures of docs/annotation.md: node tests/e2e/pictures.mjs, after npm run build.

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { dist, root } from '../../scripts/lib/paths.mjs';
import { main } from '../../scripts/lib/process.mjs';
import { ensurePrograms } from '../../scripts/lib/requirements.mjs';
import { startWorkbench } from '../../scripts/lib/workbench.mjs';
import { openEditor } from './lib/editor.mjs';
import { settings } from './lib/settings.mjs';

const images = path.join(root, 'docs/images');

const letter = `Maria Lind met Tom Berg in Oslo, where he works for Hansa Line.

They left Oslo before Maria could write to her sister in Bergen. The ferry was late, the coffee was cold, and nobody at Hansa
Line wanted to say why.

I would not take that ferry again: three hours late, no word from the crew, and the only cabin smelled of diesel.
`;

await main(async () => {
  await ensurePrograms('chromium', 'fonts');
  await mkdir(images, { recursive: true });
  const workbench = await startWorkbench({
    vsix: path.join(dist, 'attention-lens.vsix'),
    settings: { ...settings, 'editor.fontSize': 15, 'window.zoomLevel': 0 },
  });
  process.env.ATTENTIONLENS_WORKBENCH = workbench.url;
  let editor;
  try {
    editor = await openEditor({ files: { 'corpus/letter.txt': letter } });
    const { page } = editor;
    const save = name =>
      page.screenshot({ path: path.join(images, name), clip: { x: 0, y: 0, width: 1400, height: 620 } });
    await editor.openFile('letter.txt');
    for (const [text, key] of [
      ['Maria Lind', '1'],
      ['Tom Berg', '1'],
      ['Hansa Line', '2'],
      ['Oslo', '3'],
      ['three hours late', '5'],
      ['smelled of diesel', '5'],
    ]) {
      await editor.select(text);
      await page.keyboard.press(`Alt+${key}`);
      await page.waitForTimeout(1500);
    }
    await editor.run('AttentionLens: Group Annotations');
    await editor.pick('by label');
    await editor.hover('Tom Berg', 'looks at most');
    await save('annotation-hover.png');
    await page.mouse.move(1390, 600);
    await editor.placeCursor('Oslo');
    await page.keyboard.press('Control+Alt+l');
    await page.keyboard.press('f');
    await page.locator('.statusbar-item', { hasText: 'LOC?' }).waitFor();
    await page.waitForTimeout(1000);
    await page.screenshot({ path: path.join(images, 'annotation-queue.png') });
    await page.keyboard.press('Escape');
    await editor.placeCursor('diesel');
    await editor.run('AttentionLens: Show or Hide Rationale Agreement');
    const item = page.locator('.statusbar-item', { hasText: 'AUPRC' });
    await item.waitFor();
    await item.hover();
    await page.waitForTimeout(1500);
    await page.screenshot({ path: path.join(images, 'annotation-rationale.png') });
  } finally {
    await editor?.close();
    await workbench.stop();
  }
});

// The trust view measures the picture of the word at the cursor with the real model, and the model view finds heads by words.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openEditor } from './lib/editor.mjs';

let editor;
before(async () => {
  editor = await openEditor({ settings: { 'attentionLens.layer': 1, 'attentionLens.head': 'mean' } });
  await editor.openFile('coreference.txt');
  await editor.placeCursor('trophy');
  await editor.run('AttentionLens: Show Attention');
});
after(() => editor?.close());

test('it says what is measured, measures when asked, and compares with chance', async () => {
  await editor.run('AttentionLens: Open Trust View');
  const panel = editor.panel();
  await panel.getByText('Can I trust this picture?').waitFor();
  await editor.placeCursor('suitcase');
  await panel.getByText(/Held against what the model says: .+ for the masked token \d+/).waitFor();
  await editor.until(
    () => panel.locator('section[data-family=clarity] .metric').count(),
    count => count === 3,
    'three measures of clarity',
  );
  const faithfulness = panel.locator('section[data-family=faithfulness]');
  await faithfulness.getByRole('button', { name: 'Measure' }).click();
  await faithfulness.locator('.curves').waitFor();
  const rows = await faithfulness.locator('.metric dt').allInnerTexts();
  assert(rows.length >= 4, rows.join('\n'));
  for (const row of rows) assert.match(row, /chance −?\d/);
  await editor.screenshot('trust-view');

  // A word that is marked is compared with the picture.
  await panel.locator('button.word').nth(3).click();
  await panel.locator('[data-metric=tokenF1] .value').waitFor();
});

test('heads are found by words', async () => {
  await editor.run('AttentionLens: Open Model View');
  const panel = editor.panel();
  await panel.getByLabel('Find heads').fill('previous token');
  await panel.getByRole('button', { name: 'Table' }).click();
  // The embedded encoder has one head for the token before: the first of its first layer.
  const first = panel.locator('tbody tr').first();
  await first.locator('th', { hasText: '0·0' }).waitFor();
  const share = Number.parseInt(await first.locator('td').first().innerText(), 10);
  assert(share > 60, `${share} %`);
  await editor.screenshot('find-heads');
});

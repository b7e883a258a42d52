import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FromPanel } from '../../../client/shared/panel.js';
import { drawn, launch, openPanel, type PanelPage, screenshot, sentence, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const scenario = { words: sentence, layers: 4, heads: 4, tab: 'prediction' } as const;

const onTrophy = async (page: PanelPage) => {
  await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
  await page.locator('h2', { hasText: 'what stands in place of “trophy”' }).waitFor();
  await drawn(page);
};

const views = (page: PanelPage) =>
  page.evaluate(() => window.fakeHost.sent.flatMap((one: FromPanel) => (one.type === 'view' ? [one.view] : [])));

describe('the prediction view', () => {
  it.each(themeNames)('says what the model says, and how it gets there, in the %s theme', async theme => {
    const page = await openPanel(browser, scenario, theme);
    await onTrophy(page);
    const rows = await page.locator('.bars tbody tr').allInnerTexts();
    expect(rows[0]).toContain('suitcase');
    expect(rows[0]).toContain('52.0 %');
    expect(await page.locator('.bars tr[data-actual=true]').innerText()).toContain('in the text');
    const layers = await page.locator('.lens tbody tr').allInnerTexts();
    expect(layers).toHaveLength(5);
    expect(layers.at(-1)).toContain('suitcase');
    await page.getByRole('button', { name: 'Change Head' }).click();
    await page.locator('.moved').waitFor();
    await drawn(page);
    await screenshot(page, `prediction-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('changes tokens and heads, says what moved, and takes it back', async () => {
    const page = await openPanel(browser, scenario);
    await onTrophy(page);
    await page.getByRole('button', { name: 'Mask “trophy”' }).click();
    await page.locator('.moved', { hasText: '“suitcase” (52.0 %) before, “box” (40.0 %) now.' }).waitFor();
    expect((await views(page)).at(-1)?.changes).toEqual({ tokens: [{ index: 2, was: 'trophy' }] });
    await page.getByLabel('Set to').selectOption('uniform');
    await page.getByRole('button', { name: 'Change Head' }).click();
    await page.locator('.changes li').nth(1).waitFor();
    expect((await views(page)).at(-1)?.changes?.heads).toEqual([
      { layer: 0, head: 0, effect: 'uniform', stack: 'encoder' },
    ]);
    await page.getByRole('button', { name: 'Take back: “trophy” masked' }).click();
    await page.getByRole('button', { name: 'Take All Back' }).click();
    await page.locator('.changes').waitFor({ state: 'detached' });
    expect((await views(page)).at(-1)).not.toHaveProperty('changes');
    await page.close();
  });

  it('replaces a token by a word, and asks why one rather than another', async () => {
    const page = await openPanel(browser, scenario);
    await onTrophy(page);
    await page.getByLabel('Replace it by').fill('cup');
    await page.getByRole('button', { name: 'Replace', exact: true }).click();
    await page.locator('.changes li', { hasText: '“trophy” replaced by “cup”' }).waitFor();
    await page.getByLabel('Why').fill('trophy');
    await page.getByLabel('rather than').fill('box');
    await page.getByLabel('rather than').press('Enter');
    await expect.poll(async () => (await views(page)).at(-1)).toMatchObject({ output: 'trophy', contrast: 'box' });
    await page.close();
  });

  it('shows why there is no prediction', async () => {
    const page = await openPanel(browser, scenario);
    await page.locator('.notice[data-state=failed]', { hasText: 'Put the cursor on one' }).waitFor();
    await page.close();
  });
});

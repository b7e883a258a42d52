import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawn, launch, manyWords, openPanel, screenshot, sentence, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const scenario = { words: sentence, layers: 4, heads: 8, tab: 'head' } as const;

describe('the head view', () => {
  it.each(themeNames)('draws lines and is accessible in the %s theme', async theme => {
    const page = await drawn(await openPanel(browser, scenario, theme));
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await page.getByLabel('head 5').check();
    await page.getByTestId('readout').filter({ hasText: '“trophy” attends to “The” 0.' }).waitFor();
    await screenshot(page, `head-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('says how much of the attention is not drawn', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    const readout = page.getByTestId('readout');
    await readout.filter({ hasText: 'strongest lines' }).waitFor();
    const shares = async () => (await readout.innerText()).match(/\d+(?= %)/g)?.map(Number) ?? [];
    const [kept = 0, dropped = 0] = await shares();
    expect(kept).toBeGreaterThanOrEqual(70);
    expect(kept + dropped).toBe(100);
    await page.locator('input[type=range]').fill('100');
    await expect.poll(shares).toEqual([100, 0]);
    await screenshot(page, 'head-all-lines');
    await page.close();
  });

  it('tells both directions from the keyboard, and sums what is selected', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByRole('grid').focus();
    for (const key of ['ArrowDown', 'ArrowDown']) await page.keyboard.press(key);
    const cell = page.locator('.active-cell');
    await cell.filter({ hasText: '“trophy” attends to “The” 0.' }).waitFor();
    await page.keyboard.press('ArrowRight');
    await cell.filter({ hasText: '“trophy” is attended to by “would” 0.' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Clear Selection' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('button', { name: 'Clear Selection' }).count()).toBe(0);
    await page.close();
  });

  it('marks the token under the pointer in the editor', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    const box = (await page.locator('canvas.sticky').boundingBox()) ?? { x: 0, y: 0, width: 0 };
    await page.mouse.move(box.x + box.width / 2 - 220, box.y + 2 * 20 + 10);
    await expect
      .poll(() => page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'mark')))
      .toMatchObject({ query: { start: { line: 0, character: 4 } }, key: null });
    await page.close();
  });

  it('asks for no more than what is on screen of 4,096 tokens', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, words: manyWords(4094), layers: 1, heads: 2 }));
    expect(await page.locator('*').count()).toBeLessThan(300);
    expect(await page.evaluate(() => window.fakeHost.bytes)).toBeLessThan(4_000_000);
    await page.close();
  });
});

describe('the row view', () => {
  it.each(themeNames)('draws one token across all layers in the %s theme', async theme => {
    const page = await openPanel(browser, { ...scenario, tab: 'row' }, theme);
    await page.locator('.notice[data-state=hint]').waitFor();
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await drawn(page);
    await page.getByRole('grid').focus();
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
    const expected = await page.evaluate(() => window.fakeHost.weight(2, 0, 2, 1));
    expect(await page.locator('.active-cell').innerText()).toBe(
      `“trophy” attends to “The” in layer 2: ${expected.toFixed(3)}`,
    );
    await screenshot(page, `row-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('keeps a pinned query while the cursor moves', async () => {
    const page = await openPanel(browser, { ...scenario, tab: 'row' });
    await page.locator('.notice[data-state=hint]').waitFor();
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await page.getByRole('button', { name: 'Keep this query' }).click();
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 0 } }));
    await page.locator('.note', { hasText: 'What “trophy” attends to' }).waitFor();
    await page.getByRole('button', { name: 'Keep this query' }).click();
    await page.locator('.note', { hasText: 'What “The” attends to' }).waitFor();
    await page.close();
  });
});

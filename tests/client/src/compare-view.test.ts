import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawn, launch, openPanel, screenshot, sentence, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const scenario = { words: sentence, layers: 4, heads: 4, tab: 'compare' } as const;

describe('the compare view', () => {
  it.each(themeNames)('draws the difference of two heads in the %s theme', async theme => {
    const page = await drawn(await openPanel(browser, scenario, theme));
    await page.getByLabel('Other layer').selectOption('0');
    await page.getByLabel('Other head').selectOption('1');
    await drawn(page);
    await page.getByRole('grid').focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
    const [a, b] = await page.evaluate(() => [0, 1].map(head => window.fakeHost.weight(0, head, 2, 1)));
    const cell = page.locator('.active-cell');
    await expect
      .poll(() => cell.innerText())
      .toBe(
        `“trophy” attends to “The”: ${a?.toFixed(3)} against ${b?.toFixed(3)}, difference +${((a ?? 0) - (b ?? 0)).toFixed(3)}`,
      );
    await screenshot(page, `compare-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('says that a head does not differ from itself', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByLabel('Other layer').selectOption('0');
    await page.getByLabel('Other head').selectOption('0');
    await page.getByTestId('readout').filter({ hasText: 'On average 0 %' }).waitFor();
    await page.close();
  });
});

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawn, launch, openPanel, screenshot, sentence, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const scenario = { words: sentence, layers: 4, heads: 4, tab: 'neuron' } as const;

describe('the neuron view', () => {
  it.each(themeNames)('computes one weight before the reader’s eyes in the %s theme', async theme => {
    const page = await openPanel(browser, scenario, theme);
    await page.locator('.notice[data-state=hint]').waitFor();
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await page.locator('.steps').waitFor();
    await drawn(page);
    // The strongest key of "trophy" in this head is the token before it.
    const expected = await page.evaluate(() => window.fakeHost.weight(0, 0, 2, 1));
    expect(await page.locator('.steps tr').last().innerText()).toContain(expected.toFixed(3));
    const numbers = await page.locator('.steps .number').allInnerTexts();
    const [dot = 0, scaledDot = 0] = numbers.map(Number);
    // The vectors' product is 2 s - 1 + 1 for the score s, and the scale is a half; four digits are shown of each.
    expect(scaledDot).toBeCloseTo(dot / 2, 2);
    await page.getByRole('grid').focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('.active-cell').innerText()).toBe('component 1: query −1, key 1, product −1');
    await screenshot(page, `neuron-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('asks for one layer and one head', async () => {
    const page = await openPanel(browser, scenario);
    await page.locator('.toolbar select').nth(1).selectOption('mean');
    await page.locator('.notice', { hasText: 'Choose one layer and one head' }).waitFor();
    await page.close();
  });

  it('goes to another key', async () => {
    const page = await openPanel(browser, scenario);
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await page.locator('.steps').waitFor();
    await page.locator('.toolbar select').nth(2).selectOption('5');
    const expected = await page.evaluate(() => window.fakeHost.weight(0, 0, 2, 5));
    await page
      .locator('.steps tr', { hasText: '→ “fit”' })
      .filter({ hasText: expected.toFixed(3) })
      .waitFor();
    await page.close();
  });
});

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawn, launch, openPanel, type PanelPage, screenshot, sentence, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const scenario = { words: sentence, layers: 4, heads: 4, tab: 'trust' } as const;

const section = (page: PanelPage, family: string) => page.locator(`section[data-family=${family}]`);

describe('the trust view', () => {
  it.each(themeNames)('says what is measured, and what that does not mean, in the %s theme', async theme => {
    const page = await drawn(await openPanel(browser, scenario, theme, { width: 900, height: 1500 }));
    await page.getByText('Held against what the model says: “driver” for the masked token 5').waitFor();
    // Cheap ones are there at once, each with its sentences; nothing expensive has been asked for.
    expect(await section(page, 'clarity').locator('.metric').count()).toBe(3);
    expect(await section(page, 'clarity').locator('dd').first().innerText()).toMatch(/ But: /);
    expect(await section(page, 'faithfulness').locator('.metric').count()).toBe(0);

    await section(page, 'faithfulness').getByRole('button', { name: 'Measure' }).click();
    await section(page, 'faithfulness').locator('.curves').waitFor();
    const rows = await section(page, 'faithfulness').locator('dt').allInnerTexts();
    expect(rows).toHaveLength(6);
    expect(rows[0]).toMatch(/0\.41[\s\S]*chance 0\.18[\s\S]*▲ better than 5 of 5 random pictures/);
    expect(rows[1]).toMatch(/0\.12[\s\S]*chance 0\.33[\s\S]*≈ better than 4 of 5/);
    expect(rows[4]).toMatch(/−0\.080[\s\S]*▼ better than 1 of 5/);
    await section(page, 'robustness').getByRole('button', { name: 'Measure' }).click();
    await section(page, 'robustness').locator('.metric').waitFor();
    await page.getByRole('button', { name: 'trophy, weight' }).click();
    await section(page, 'plausibility').locator('.metric').first().waitFor();
    await screenshot(page, `trust-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('compares with the words that are marked', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByText('Click words above').waitFor();
    await page.getByRole('button', { name: 'trophy, weight' }).click();
    await page.getByRole('button', { name: 'big, weight' }).click();
    const f1 = section(page, 'plausibility').locator('[data-metric=tokenF1] .value');
    await f1.filter({ hasText: (2 / sentence.length).toFixed(3) }).waitFor();
    const asked = await page.evaluate(() =>
      window.fakeHost.sent.findLast(message => message.type === 'request' && message.method === 'evaluation'),
    );
    expect(asked).toMatchObject({ params: { measures: ['plausibility'], rationale: [2, 14] } });
    expect(await page.getByRole('button', { name: 'trophy, weight' }).getAttribute('aria-pressed')).toBe('true');
    await page.getByRole('button', { name: 'Clear Marked Words' }).click();
    await page.getByText('Click words above').waitFor();
    await page.close();
  });

  it('shows that it is at work, and stops when told', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, evaluation: 'slow' }));
    await section(page, 'faithfulness').getByRole('button', { name: 'Measure' }).click();
    await page.getByText('Measuring…').waitFor();
    await screenshot(page, 'trust-measuring');
    const id = await page.evaluate(() => {
      const message = window.fakeHost.sent.findLast(({ type }) => type === 'request');
      return message?.type === 'request' ? message.id : 0;
    });
    await page.getByRole('button', { name: 'Cancel' }).click();
    await section(page, 'faithfulness').getByRole('button', { name: 'Measure' }).waitFor();
    expect(await page.evaluate(() => window.fakeHost.sent.at(-1))).toEqual({ type: 'cancel', id });
    await page.close();
  });

  it('forgets what was measured when the picture changes', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await section(page, 'robustness').getByRole('button', { name: 'Measure' }).click();
    await section(page, 'robustness').locator('.metric').waitFor();
    await page.locator('.toolbar select').nth(1).selectOption('2');
    await section(page, 'robustness').getByRole('button', { name: 'Measure' }).waitFor();
    expect(await section(page, 'robustness').locator('.metric').count()).toBe(0);
    await page.close();
  });

  it('says why there is nothing to hold the picture against', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, evaluation: 'nothing' }));
    await page.getByText('Which token is to be predicted?').first().waitFor();
    expect(await section(page, 'clarity').locator('.metric').count()).toBe(3);
    expect(await seriousProblems(page)).toEqual([]);
    await page.close();
  });

  it('fails in a sentence', async () => {
    const page = await openPanel(browser, { ...scenario, answers: 'failed' });
    await page.getByText('The model folder has no file model.safetensors.').waitFor();
    await page.close();
  });

  it('is worked by the keyboard', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByRole('button', { name: 'trophy, weight' }).focus();
    await page.keyboard.press('Space');
    await section(page, 'plausibility').locator('.metric').first().waitFor();
    await page.close();
  });
});

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawn, launch, manyWords, openPanel, screenshot, sentence, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const scenario = { words: sentence, layers: 6, heads: 8, tab: 'model' } as const;

describe('the model view', () => {
  it.each(themeNames)('draws every head and is accessible in the %s theme', async theme => {
    const page = await drawn(await openPanel(browser, scenario, theme));
    await page.locator('.thumbnails').hover({ position: { x: 300, y: 200 } });
    expect(await page.getByTestId('readout').innerText()).toMatch(/^layer 1 · head 2/);
    await screenshot(page, `model-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('opens the head that is clicked', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.locator('.thumbnails').click({ position: { x: 300, y: 200 } });
    await page.locator('canvas.matrix').waitFor();
    const sent = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'view'));
    expect(sent).toMatchObject({ view: { layer: 1, head: 2 } });
    expect(await page.getByRole('tab', { name: 'Heatmap' }).getAttribute('aria-selected')).toBe('true');
    await page.close();
  });

  it('opens a head from the keyboard, and says what it is', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByRole('grid').focus();
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
    expect(await page.locator('.active-cell').innerText()).toMatch(/^layer 1 · head 2 \(.*previous token \d+ %/);
    await page.keyboard.press('Enter');
    await page.locator('canvas.matrix').waitFor();
    await page.close();
  });

  it('takes heads to those that are shown, and off again, by mouse and keyboard', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    const view = () => page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'view')?.view);
    const toggle = (x: number) =>
      page.locator('.thumbnails').click({ position: { x, y: 200 }, modifiers: ['ControlOrMeta'] });
    const before = (await view()) ?? {};
    await toggle(300);
    await expect.poll(view).not.toEqual(before);
    await toggle(400);
    await expect.poll(view).toMatchObject({ layer: 'mean', head: 'mean', heads: expect.stringMatching(/1\.2,1\.3$/) });
    expect(await page.getByRole('tab', { name: 'Model' }).getAttribute('aria-selected')).toBe('true');
    await screenshot(page, 'model-several');

    await page.getByRole('grid').focus();
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
    expect(await page.locator('.active-cell').innerText()).toMatch(/^layer 1 · head 2 .*, shown,/);
    await page.keyboard.press('Space');
    await expect.poll(async () => JSON.stringify(await view())).not.toContain('1.2');
    await page.close();
  });

  it('sorts and filters by what heads do', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByLabel('Sort by').selectOption('previous');
    await page.getByLabel('At least').fill('50');
    // The fake model's heads of kind 0 look at the previous token: (5 * layer + head) % 7 is 0 in 7 of 48 heads.
    await page.locator('.note', { hasText: '7 of 48 heads' }).waitFor();
    await page.getByRole('button', { name: 'Table' }).click();
    const shares = (await page.locator('tbody td:nth-child(2)').allInnerTexts()).map(text => Number.parseInt(text, 10));
    expect(shares).toHaveLength(7);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    await screenshot(page, 'model-sorted');
    expect(await seriousProblems(page)).toEqual([]);
    await page.close();
  });

  it('finds induction heads and heads like one, by words', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByLabel('Find heads').fill('show me induction heads');
    await page.getByRole('button', { name: 'Table' }).click();
    const firsts = page.locator('tbody th [aria-hidden]');
    // In the fake model heads 4, 15, 26 and 37 of 8 a layer continue what they have seen, the earlier the more.
    await page.locator('tbody tr:first-child th', { hasText: '0·4' }).waitFor();
    expect((await firsts.allInnerTexts()).slice(0, 4)).toEqual(['0·4', '1·7', '3·2', '4·5']);
    await screenshot(page, 'model-found');

    await page.getByLabel('Find heads').fill('layer 2 next');
    await page.locator('.note', { hasText: '8 of 48 heads' }).waitFor();
    expect(await firsts.first().innerText()).toMatch(/^2·/);

    await page.getByRole('button', { name: 'Heads Like 0·0' }).click();
    expect(await page.getByLabel('Find heads').inputValue()).toBe('like 0.0');
    // Likeness is the last column; the head itself is wholly like itself, and its like look at the token before too.
    await page.locator('tbody tr:first-child td:last-child', { hasText: '100 %' }).waitFor();
    const kinds = (await firsts.allInnerTexts()).slice(0, 7).map(text => {
      const [layer = 0, head = 0] = text.split('·').map(Number);
      return (layer * 5 + head) % 7;
    });
    expect(kinds).toEqual([0, 0, 0, 0, 0, 0, 0]);

    await page.getByLabel('Find heads').fill('purple');
    await page.getByText('Heads cannot be looked for by “purple”.').waitFor();
    expect(await seriousProblems(page)).toEqual([]);
    await page.close();
  });

  it('costs at most 700 kB and 2,000 nodes for 12 x 12 heads of 512 tokens', async () => {
    const page = await openPanel(browser, { words: manyWords(510), layers: 12, heads: 12, tab: 'model' });
    await page.locator('.thumbnails').waitFor();
    await drawn(page);
    expect(await page.evaluate(() => window.fakeHost.bytes)).toBeLessThanOrEqual(700_000);
    await page.getByRole('button', { name: 'Table' }).click();
    expect(await page.locator('*').count()).toBeLessThan(2000);
    await screenshot(page, 'model-12x12');
    await page.close();
  });
});

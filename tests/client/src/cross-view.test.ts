import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawn, launch, manyWords, openPanel, type PanelPage, screenshot, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const source = 'The old light ##house keeper climbs the stairs .'.split(' ');
const target = 'Der alte Leucht ##turm ##wärter steigt die Treppe hinauf .'.split(' ');
const scenario = {
  words: source,
  layers: 3,
  heads: 4,
  kind: 'encoderDecoder',
  tab: 'cross',
  target: { words: target, in: 'pair' },
} as const;
const last = (page: PanelPage, type: string) =>
  page.evaluate(type => window.fakeHost.sent.findLast(message => message.type === type), type);

describe('the alignment view', () => {
  it.each(themeNames)('links source and target in the %s theme', async theme => {
    const page = await drawn(await openPanel(browser, scenario, theme));
    await page.getByTestId('readout').filter({ hasText: '10 links' }).waitFor();
    await page.evaluate(() =>
      window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5, inPair: true } }),
    );
    await page
      .getByTestId('readout')
      .filter({ hasText: /^“alte” attends to/ })
      .waitFor();
    await screenshot(page, `cross-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('follows the cursor in either text', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    // "old" is token 2 of the source, which stands in the panel's own document.
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await page
      .getByTestId('readout')
      .filter({ hasText: /^“old” is attended to by/ })
      .waitFor();
    await page.close();
  });

  it('marks a token and its partner, each in its own document', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByRole('grid').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    // Target token 2 is "alte"; the fake model looks at source token 2, "old".
    await expect
      .poll(() => last(page, 'mark'))
      .toMatchObject({
        query: { inPair: true, start: { line: 0, character: 4 } },
        key: { start: { line: 0, character: 4 } },
      });
    const spoken = await page.locator('.active-cell').innerText();
    const weight = await page.evaluate(() => window.fakeHost.crossWeight(0, 0, 2, 2));
    expect(spoken).toContain(`“alte” attends to “old” ${weight.toFixed(3)}`);
    await page.keyboard.press('Enter');
    expect(await last(page, 'reveal')).toMatchObject({ range: { inPair: true, start: { character: 4 } } });
    await page.close();
  });

  it('lists the alignment, and agrees both ways when asked to', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByRole('button', { name: 'Table' }).click();
    const rows = page.locator('tbody tr');
    expect(await rows.count()).toBe(10);
    expect(await rows.first().innerText()).toMatch(/Der\s+The/);
    await page.getByLabel('Lines').selectOption('mutual');
    await expect.poll(() => rows.count()).toBeLessThan(10);
    const sources = await page.locator('tbody td:nth-child(2)').allInnerTexts();
    expect(new Set(sources).size).toBe(sources.length);
    await screenshot(page, 'cross-table');
    expect(await seriousProblems(page)).toEqual([]);
    await page.close();
  });

  it('can take the step that wrote a token', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByLabel('A token looks when it is').selectOption('written');
    await page.getByRole('grid').focus();
    await page.keyboard.press('ArrowRight');
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown');
    const weight = await page.evaluate(() => window.fakeHost.crossWeight(0, 0, 2, 2));
    await expect.poll(() => page.locator('.active-cell').innerText()).toContain(`“old” ${weight.toFixed(3)}`);
    await page.close();
  });

  it('lets the model write a target that is not there', async () => {
    const page = await openPanel(browser, { ...scenario, target: { words: target, in: 'model' } });
    await page.locator('.notice', { hasText: 'The decoder needs a target' }).waitFor();
    await screenshot(page, 'cross-empty');
    expect(await seriousProblems(page)).toEqual([]);
    await page.getByRole('button', { name: 'Let the Model Write It' }).click();
    await page.getByTestId('readout').filter({ hasText: '10 links' }).waitFor();
    await page.getByText('Target, written by the model').waitFor();
    await page.getByRole('button', { name: 'Without the Written Target' }).click();
    await page.locator('.notice', { hasText: 'The decoder needs a target' }).waitFor();
    await page.close();
  });

  it('is offered by encoder-decoders only', async () => {
    const page = await drawn(await openPanel(browser, { words: source, layers: 2, heads: 2, tab: 'cross' }));
    expect(await page.getByRole('tab', { name: 'Alignment' }).count()).toBe(0);
    await page.close();
  });

  it('stays small for long texts', async () => {
    const words = manyWords(900);
    const page = await openPanel(browser, { ...scenario, words, target: { words, in: 'pair' } });
    await drawn(page);
    await page.getByTestId('readout').filter({ hasText: '900 links' }).waitFor();
    await page.getByRole('button', { name: 'Table' }).click();
    expect(await page.locator('*').count()).toBeLessThan(2000);
    await page.close();
  });
});

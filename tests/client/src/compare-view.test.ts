import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPanelState } from '../../../client/shared/panel.js';
import {
  drawn,
  launch,
  manyWords,
  openPanel,
  type PanelPage,
  screenshot,
  sentence,
  seriousProblems,
} from './panel-page.js';
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

describe('two texts compared', () => {
  const old = ['The', 'trophy', 'did', 'not', 'fit', 'in', 'the', 'small', 'suit', '##case'];
  const now = ['The', 'trophy', 'would', 'not', 'fit', 'in', 'the', 'suit', '##case', 'today'];
  const compared = {
    words: now,
    layers: 4,
    heads: 4,
    tab: 'compare',
    other: { comparison: { kind: 'saved' }, words: old },
  } as const;
  const plot = (page: PanelPage) => page.getByRole('grid');
  const go = async (page: PanelPage, down: number, right: number) => {
    await plot(page).focus();
    await page.keyboard.press('Control+Home');
    for (let i = 0; i < down; i++) await page.keyboard.press('ArrowDown');
    for (let i = 0; i < right; i++) await page.keyboard.press('ArrowRight');
  };

  it.each(themeNames)('lays both token sequences side by side in the %s theme', async theme => {
    const page = await drawn(await openPanel(browser, compared, theme));
    // Dropped: did, small. Came: would, today. 12 tokens and 2 of the other text.
    expect(await plot(page).getAttribute('aria-rowcount')).toBe('14');
    await page
      .getByTestId('readout')
      .filter({ hasText: 'Tokens: 2 only in this text, 2 only in the saved file.' })
      .waitFor();
    await page.locator('.what', { hasText: 'this text − the saved file · layer 0 · head 0' }).waitFor();
    await screenshot(page, `compare-texts-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('compares what both have, and says what only one has', async () => {
    const page = await drawn(await openPanel(browser, compared));
    const cell = page.locator('.active-cell');
    const weights = await page.evaluate(() => ({
      // "fit" is token 5 of both, "suit" 8 of this text and 9 of the saved one.
      here: window.fakeHost.weight(0, 0, 5, 8),
      there: window.fakeHost.otherWeight(0, 0, 5, 9),
      would: window.fakeHost.weight(0, 0, 5, 3),
      small: window.fakeHost.otherWeight(0, 0, 5, 8),
    }));
    const columns = ['[CLS]', 'The', 'trophy', '+would', '-did', 'not', 'fit', 'in', 'the', '-small', 'suit'];
    const order = async (index: number) => {
      await go(page, columns.indexOf('fit'), index);
      return cell.innerText();
    };
    const shown = (weight: number) => (weight < 0.0005 ? weight.toExponential(1) : weight.toFixed(3));
    const difference = weights.here - weights.there;
    expect(await order(columns.indexOf('suit'))).toBe(
      `“fit” attends to “suit”: ${shown(weights.here)} against ${shown(weights.there)}, difference ` +
        `${difference < 0 ? '−' : '+'}${shown(Math.abs(difference))}`,
    );
    expect(await order(columns.indexOf('+would'))).toBe(
      `“fit” attends to “would”: ${shown(weights.would)}, only in this text`,
    );
    expect(await order(columns.indexOf('-did'))).toMatch(/^“fit” attends to “did”: [\d.e-]+, only in the saved file$/);
    expect(await order(columns.indexOf('-small'))).toBe(
      `“fit” attends to “small”: ${shown(weights.small)}, only in the saved file`,
    );
    await page.close();
  });

  it('marks in the editor what the editor has', async () => {
    const page = await drawn(await openPanel(browser, compared));
    await go(page, 6, 9);
    const mark = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'mark'));
    expect(mark).toMatchObject({ query: { start: { line: 0, character: 21 } }, key: null });
    await page.close();
  });

  it('finds no difference between two equal texts', async () => {
    const page = await openPanel(browser, { ...compared, other: { ...compared.other, words: now } });
    await drawn(page);
    await page.getByTestId('readout').filter({ hasText: 'On average 0 %' }).waitFor();
    expect(await plot(page).getAttribute('aria-rowcount')).toBe('12');
    await page.close();
  });

  it('says why there is nothing to compare with, and offers another choice', async () => {
    const problem = 'sample.txt has not been committed yet.';
    const page = await openPanel(browser, {
      ...compared,
      other: { comparison: { kind: 'head' }, words: old, problem },
    });
    await page.locator('.notice', { hasText: problem }).waitFor();
    await page.getByRole('button', { name: 'With: git HEAD' }).click();
    const sent = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'command'));
    expect(sent).toMatchObject({ command: 'compareWith' });
    await screenshot(page, 'compare-problem');
    await page.close();
  });

  it('keeps the comparison over a reload', async () => {
    const page = await drawn(await openPanel(browser, compared));
    const state = await page.evaluate(() => window.acquireVsCodeApi().getState());
    expect(isPanelState(state)).toBe(true);
    expect(state).toMatchObject({ comparison: { kind: 'saved' }, tab: 'compare' });
    await page.close();
  });

  it('stays exact for long texts', async () => {
    const words = manyWords(1500);
    const page = await openPanel(browser, {
      ...compared,
      words: [...words.slice(0, 700), 'new', ...words.slice(700)],
      other: { comparison: { kind: 'saved' }, words },
    });
    await drawn(page);
    await page
      .getByTestId('readout')
      .filter({ hasText: 'Tokens: 1 only in this text, 0 only in the saved file.' })
      .waitFor();
    expect(await page.locator('*').count()).toBeLessThan(2000);
    await page.close();
  });
});

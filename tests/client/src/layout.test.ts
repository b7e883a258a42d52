// What every view has in common: room for it in any width, a table of its numbers, an order of keys.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Tab, tabs } from '../../../client/shared/panel.js';
import type { Scenario } from './fake-host.js';
import { drawn, launch, openPanel, type PanelPage, screenshot, sentence, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const scenario = { words: sentence, layers: 4, heads: 6 };

const scenarioOf = (tab: Tab): Scenario =>
  tab === 'cross'
    ? { ...scenario, tab, kind: 'encoderDecoder', target: { words: sentence.slice(0, 20), in: 'pair' } }
    : { ...scenario, tab };

async function withCursor(page: PanelPage): Promise<PanelPage> {
  await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
  return drawn(page);
}

// The image view needs an image, and is a picture without a table of its own.
describe.each(tabs.filter(tab => tab !== 'image'))('the %s view', tab => {
  it.each([300, 640, 1200, 1600])('fits a panel of %i pixels', async width => {
    const page = await openPanel(browser, scenarioOf(tab), 'dark', { width, height: 600 });
    await withCursor(page);
    await screenshot(page, `layout-${tab}-${width}`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    const outside = await page.evaluate(() =>
      [...document.querySelectorAll('nav *, .toolbar *, footer')]
        .filter(element => element.getBoundingClientRect().right > window.innerWidth + 1)
        .map(element => element.outerHTML.slice(0, 80)),
    );
    expect(outside).toEqual([]);
    // Controls never take the picture's place.
    const picture = (await page.locator('.content').first().boundingBox()) ?? { height: 0 };
    expect(picture.height).toBeGreaterThan(250);
    await page.close();
  });
});

// Prediction and trust are tables themselves; their own tests look at them in every theme.
describe.each(tabs.filter(tab => !['image', 'prediction', 'trust'].includes(tab)))('the %s view', tab => {
  it('has a table of its numbers, reached and gone through by keyboard', async () => {
    const page = await openPanel(browser, scenarioOf(tab), 'light', { width: 1000, height: 600 });
    await withCursor(page);
    await page.getByRole('button', { name: 'Table' }).focus();
    await page.keyboard.press('Enter');
    const rows = page.locator('.side tbody tr');
    await rows.first().waitFor();
    await drawn(page);
    await screenshot(page, `table-${tab}`);
    const header = page.locator('.side thead button').first();
    await header.focus();
    await page.keyboard.press('Enter');
    const sort = () => page.locator('.side thead th').first().getAttribute('aria-sort');
    const first = await sort();
    await page.keyboard.press('Enter');
    expect(new Set([first, await sort()])).toEqual(new Set(['ascending', 'descending']));
    await rows.first().focus();
    await page.keyboard.press('ArrowDown');
    expect(await rows.nth(1).evaluate(row => row === document.activeElement)).toBe(true);
    await page.keyboard.press('End');
    expect(await rows.last().evaluate(row => row === document.activeElement)).toBe(true);
    await page.close();
  });

  it.each(themeNames)('is accessible beside its table in the %s theme', async theme => {
    const state = { isTableOpen: true };
    const page = await openPanel(browser, { ...scenarioOf(tab), state }, theme, { width: 640, height: 700 });
    await withCursor(page);
    await page.locator('.side').waitFor();
    await screenshot(page, `layout-${tab}-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });
});

const sizes = [
  { width: 300, height: 240 },
  { width: 640, height: 480 },
  { width: 1900, height: 1000 },
];

/** What a panel does not show in full: it needs scrolling sideways, or an element ends outside of the window. */
const outside = (page: PanelPage, selector: string): Promise<string[]> =>
  page.evaluate(selector => {
    const { innerWidth, innerHeight } = window;
    const cut = [...document.querySelectorAll(selector)].filter(element => {
      const { left, top, right, bottom } = element.getBoundingClientRect();
      return left < 0 || top < 0 || right > innerWidth + 1 || bottom > innerHeight + 1;
    });
    const isWide = document.documentElement.scrollWidth > innerWidth;
    return [...cut.map(element => element.outerHTML.slice(0, 80)), ...(isWide ? ['the page'] : [])];
  }, selector);

describe('a panel that is resized', () => {
  const states: readonly (readonly [string, Partial<Scenario>, string])[] = [
    ['computes', { answers: 'never' }, '.notice[data-state=loading]'],
    ['has failed', { answers: 'failed' }, '.notice[data-state=failed]'],
    ['shows nothing', { answers: 'nothing-shown' }, '.notice[data-state=empty]'],
    ['asks for a word', { tab: 'neuron', view: { layer: 0, head: 0 } }, '.notice[data-state=hint]'],
    ['shows a cut text', { answers: 'truncated' }, '.banner'],
  ];
  it.each(states)('%s in every size', async (name, part, selector) => {
    const page = await openPanel(browser, { ...scenario, ...part }, 'dark');
    await page.locator(selector).waitFor();
    for (const size of sizes) {
      await page.setViewportSize(size);
      // Sizes are observed: what follows from them is drawn by a later frame.
      await expect.poll(() => outside(page, `${selector}, ${selector} *, nav *`)).toEqual([]);
      await screenshot(page, `state-${name.replaceAll(' ', '-')}-${size.width}`);
      const picture = page.locator('.content');
      if ((await picture.count()) > 0) expect((await picture.boundingBox())?.height).toBeGreaterThan(150);
    }
    await page.close();
  });

  it('shows picture, maps and controls of an image in every size', async () => {
    const image = { width: 320, height: 240, rows: 12, columns: 16, left: 0, top: 0, patchWidth: 20, patchHeight: 20 };
    const page = await drawn(
      await openPanel(browser, { words: [], layers: 3, heads: 4, kind: 'vision', image, tab: 'image' }),
    );
    for (const size of [{ width: 300, height: 600 }, ...sizes.slice(1)]) {
      await page.setViewportSize(size);
      await expect.poll(() => outside(page, 'nav *, .toolbar *, footer, .picture canvas')).toEqual([]);
      await screenshot(page, `layout-image-${size.width}`);
      const picture = (await page.locator('.picture').boundingBox()) ?? { width: 0, height: 0 };
      expect(Math.min(picture.width, picture.height)).toBeGreaterThan(140);
    }
    await page.close();
  });
});

describe('the choice of a view', () => {
  it('is a row of tabs where there is room, and a menu where there is none', async () => {
    const page = await drawn(await openPanel(browser, scenario, 'dark', { width: 1000, height: 600 }));
    expect(await page.getByRole('tab', { name: 'Heatmap' }).isVisible()).toBe(true);
    expect(await page.getByLabel('Views').locator('visible=true').count()).toBe(1);
    await page.setViewportSize({ width: 320, height: 600 });
    // Whether the tabs fit is measured, with the next frame.
    await page.getByRole('tab', { name: 'Heatmap' }).waitFor({ state: 'hidden' });
    expect(await page.getByLabel('Views').locator('visible=true').count()).toBe(1);
    await page.locator('.tab-select select').selectOption('model');
    await page.locator('.thumbnails').waitFor();
    await page.close();
  });
});

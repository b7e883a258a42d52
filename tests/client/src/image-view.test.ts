import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPanelState } from '../../../client/shared/panel.js';
import { drawn, launch, openPanel, type PanelPage, screenshot, seriousProblems } from './panel-page.js';
import { themeNames } from './themes.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

/** A landscape of which the model sees the middle square, as CLIP's crop leaves it. */
const image = {
  width: 600,
  height: 400,
  rows: 14,
  columns: 14,
  left: 100,
  top: 0,
  patchWidth: 400 / 14,
  patchHeight: 400 / 14,
};
const scenario = { words: [], layers: 6, heads: 4, kind: 'vision', tab: 'image', image } as const;
const ready = async (page: PanelPage) => {
  await drawn(page);
  // The picture comes apart from the weights.
  await page.waitForFunction(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('.picture canvas');
    const data = canvas?.getContext('2d')?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    return (data?.[3] ?? 0) === 255;
  });
  return page;
};

describe('the image view', () => {
  it.each(themeNames)('lays the attention of the class token over the picture in the %s theme', async theme => {
    const page = await ready(await openPanel(browser, scenario, theme));
    await page
      .getByTestId('readout')
      .filter({ hasText: /^the class token attends to patch \d+,\d+ 0\.\d+/ })
      .waitFor();
    await screenshot(page, `image-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('shows only what an image has', async () => {
    const page = await ready(await openPanel(browser, scenario));
    expect(await page.getByRole('tab').allInnerTexts()).toEqual(['Image', 'Model', 'Heatmap']);
    await page.close();
  });

  it('shows what a patch attends to while the pointer is on it, and keeps it on a click', async () => {
    const page = await ready(await openPanel(browser, scenario));
    const canvas = page.locator('.picture canvas');
    const box = await canvas.boundingBox();
    if (!box) throw new Error('There is no picture.');
    // The middle of the picture is the corner of patch 7,7.
    await page.mouse.move(box.x + box.width / 2 + 3, box.y + box.height / 2 + 3);
    const weight = await page.evaluate(() => window.fakeHost.weight(0, 0, 1 + 7 * 14 + 7, 1 + 7 * 14 + 7));
    await page
      .getByTestId('readout')
      .filter({ hasText: `patch 7,7 attends to patch 7,7 ${weight.toFixed(3)}` })
      .waitFor();
    await page.mouse.down();
    await page.mouse.up();
    await page.mouse.move(box.x + 2, box.y + box.height + 40);
    await page.getByRole('heading', { name: 'Every head: patch 7,7' }).waitFor();
    await drawn(page);
    expect(await page.getByTestId('readout').innerText()).toContain('patch 7,7 attends to');
    await screenshot(page, 'image-patch');
    await page.getByRole('button', { name: 'Back to the Class Token' }).click();
    await page.getByRole('heading', { name: 'Every head: the class token' }).waitFor();
    await page.close();
  });

  it('is spoken patch by patch', async () => {
    const page = await ready(await openPanel(browser, scenario));
    await page.getByRole('grid', { name: 'Patches of the image' }).focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
    const weight = await page.evaluate(() => window.fakeHost.weight(0, 0, 1 + 2 * 14 + 1, 1 + 2 * 14 + 1));
    await expect
      .poll(() => page.locator('.picture .active-cell').innerText())
      .toContain(`patch 2,1 attends to patch 2,1 ${weight.toFixed(3)}`);
    await page.close();
  });

  it('takes a head from the maps, by mouse and by keyboard', async () => {
    const page = await ready(await openPanel(browser, scenario));
    const maps = page.getByRole('grid', { name: 'All heads' });
    await maps.focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
    const sent = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'view'));
    expect(sent).toMatchObject({ view: { layer: 2, head: 1 } });
    expect(await maps.locator('.active-cell').innerText()).toContain('layer 2 · head 1');
    await page.close();
  });

  it('lets the picture through as far as the slider says', async () => {
    const page = await ready(await openPanel(browser, scenario));
    const canvas = page.locator('.picture canvas');
    const before = await canvas.screenshot();
    await page.getByLabel('Overlay').fill('0');
    expect((await canvas.screenshot()).equals(before)).toBe(false);
    await page.getByLabel('Overlay').fill('75');
    expect((await canvas.screenshot()).equals(before)).toBe(true);
    await page.close();
  });

  it('asks for another way of weighing', async () => {
    const page = await ready(await openPanel(browser, scenario));
    await page.getByRole('button', { name: 'Method: raw' }).click();
    const sent = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'command'));
    expect(sent).toMatchObject({ command: 'selectMethod' });
    await page.close();
  });

  it('offers another model when this one sees no images', async () => {
    const page = await openPanel(browser, { ...scenario, answers: 'failed' });
    await page.getByRole('button', { name: 'Choose a Vision Model' }).click();
    const sent = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'command'));
    expect(sent).toMatchObject({ command: 'selectImageModel' });
    await screenshot(page, 'image-problem');
    expect(await seriousProblems(page)).toEqual([]);
    await page.close();
  });

  it('keeps the image over a reload', async () => {
    const page = await ready(await openPanel(browser, scenario));
    const state = await page.evaluate(() => window.acquireVsCodeApi().getState());
    expect(isPanelState(state)).toBe(true);
    expect(state).toMatchObject({ tab: 'image', target: { isImage: true } });
    await page.close();
  });
});

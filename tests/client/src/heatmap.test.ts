import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  colorCount,
  difference,
  drawn,
  launch,
  manyWords,
  openPanel,
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

const scenario = { words: sentence, layers: 4, heads: 4 };

describe('the heatmap', () => {
  it.each(themeNames)('draws and is accessible in the %s theme', async theme => {
    const page = await drawn(await openPanel(browser, scenario, theme));
    await page.locator('.frame').hover({ position: { x: 300, y: 300 } });
    await screenshot(page, `heatmap-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('says the exact weight under the pointer and marks both tokens in the editor', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.locator('.frame').hover({ position: { x: 300, y: 260 } });
    const readout = await page.getByTestId('readout').innerText();
    const mark = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'mark'));
    if (mark?.type !== 'mark' || !mark.query || !mark.key) throw new Error(`nothing is marked: ${readout}`);
    const [query, key] = [mark.query.start.character, mark.key.start.character];
    const weight = await page.evaluate(
      ([query, key]) => {
        // The words stand on one line, so a start names a token.
        const starts: number[] = [];
        let at = 0;
        const words = window.fakeHost.words;
        for (const [index, word] of words.entries()) {
          starts.push(index === 0 || index === words.length - 1 ? -1 : at);
          if (index > 0) at += word.replace('##', '').length + (words[index + 1]?.startsWith('##') ? 0 : 1);
        }
        return window.fakeHost.weight(0, 0, starts.indexOf(query as number), starts.indexOf(key as number));
      },
      [query, key],
    );
    expect(readout).toContain(weight < 0.0005 ? weight.toExponential(1) : weight.toFixed(3));
    await page.close();
  });

  it('follows the cursor of the editor, and its changes of layer and head', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await page.locator('.frame[data-query="2"]').waitFor();
    await page.evaluate(() => window.fakeHost.post({ type: 'view', view: { layer: 2, head: 3 } }));
    await drawn(page);
    expect(await page.getByLabel('Layer').inputValue()).toBe('2');
    expect(await page.getByLabel('Head', { exact: true }).inputValue()).toBe('3');
    await page.getByLabel('Head', { exact: true }).selectOption('mean');
    const sent = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'view'));
    expect(sent).toMatchObject({ view: { layer: 2, head: 'mean' } });
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: null }));
    await page.locator('.frame[data-query=""]').waitFor();
    await page.close();
  });

  it('shows the head that the server chose, and says that it was chosen', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, view: { layer: 'auto', head: 'mean' } }));
    expect(await page.getByLabel('Layer').inputValue()).toBe('1');
    expect(await page.getByLabel('Head', { exact: true }).inputValue()).toBe('2');
    expect(await page.locator('footer .what').innerText()).toBe('mini-encoder · layer 1 · head 2 · clearest head');
    await page.getByLabel('Head', { exact: true }).selectOption('3');
    await drawn(page);
    expect(await page.locator('footer .what').innerText()).toBe('mini-encoder · layer 1 · head 3');
    await page.close();
  });

  it('is used from the keyboard, and speaks the cell it is on', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.locator('[role=grid]').focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
    const cell = page.locator('.active-cell');
    expect(await cell.innerText()).toMatch(/^“trophy” attends to “The”: 0\.\d{3}$/);
    expect(await page.locator('[role=row]').getAttribute('aria-rowindex')).toBe('3');
    await page.keyboard.press('End');
    expect(await cell.getAttribute('aria-colindex')).toBe(String(sentence.length + 2));
    await page.keyboard.press('Enter');
    const reveal = await page.evaluate(() => window.fakeHost.sent.findLast(message => message.type === 'reveal'));
    expect(reveal).toMatchObject({ range: { start: { line: 0, character: 4 } } });
    await page.close();
  });

  it('has a table with the same facts, sorted by weight or position', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await page.getByRole('button', { name: 'Table' }).click();
    const rows = page.locator('.side tbody tr');
    await rows.first().waitFor();
    const numbers = async () => (await rows.locator('td:last-child').allInnerTexts()).map(Number);
    const byWeight = await numbers();
    expect(byWeight).toHaveLength(sentence.length + 2);
    expect(byWeight).toEqual([...byWeight].sort((a, b) => b - a));
    const expected = await page.evaluate(() => window.fakeHost.weight(0, 0, 2, 1));
    expect(byWeight[0]).toBeCloseTo(expected, 3);
    await page.getByRole('button', { name: 'Position' }).click();
    expect(await rows.locator('td').nth(1).innerText()).toBe('0');
    await screenshot(page, 'heatmap-table');
    expect(await seriousProblems(page)).toEqual([]);
    await page.close();
  });

  it('asks again after an edit and keeps the picture meanwhile', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    const count = () => page.evaluate(() => window.fakeHost.sent.filter(message => message.type === 'request').length);
    const before = await count();
    await page.evaluate(() =>
      window.fakeHost.post({
        type: 'changed',
        target: {
          uri: 'file:///corpus/sample.txt',
          name: 'sample.txt',
          range: { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } },
        },
      }),
    );
    await expect.poll(count).toBeGreaterThan(before);
    expect(await page.locator('canvas.matrix').isVisible()).toBe(true);
    await drawn(page);
    await page.close();
  });

  it('keeps what it needs over a reload', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    const state = await page.evaluate(() => (window.acquireVsCodeApi() as { getState(): unknown }).getState());
    expect(state).toMatchObject({ target: { name: 'sample.txt' }, view: { layer: 0, head: 0 } });
    await page.close();
  });

  it.each([128, 512])('draws %i tokens with few nodes', async count => {
    const page = await drawn(await openPanel(browser, { ...scenario, words: manyWords(count - 2) }));
    expect(await page.locator('*').count()).toBeLessThan(300);
    await page.locator('.frame').hover({ position: { x: 400, y: 400 } });
    await screenshot(page, `heatmap-${count}`);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('zooms towards the pointer and back', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, words: manyWords(126) }));
    const { x, y } = (await page.locator('.frame').boundingBox()) ?? { x: 0, y: 0 };
    await page.mouse.move(x + 400, y + 400);
    const before = await page.getByTestId('readout').innerText();
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -400);
    await page.keyboard.up('Control');
    await page.mouse.move(x + 401, y + 400);
    expect(await page.getByTestId('readout').innerText()).toBe(before);
    await screenshot(page, 'heatmap-zoomed');
    await page.close();
  });

  it('draws the same without WebGL, and where WebGL would be slow', async () => {
    const pictures: { readonly kind: string; readonly png: Buffer }[] = [];
    for (const webgl of ['card', 'software', 'none'] as const) {
      const page = await drawn(await openPanel(browser, { ...scenario, webgl }));
      const kind = await page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>('canvas.matrix');
        return canvas?.getContext('webgl2') ? 'webgl2' : 'canvas2d';
      });
      const { x, y, width, height } = (await page.locator('canvas.matrix').boundingBox()) ?? fail();
      const clip = { x, y, width: Math.min(width, height), height: Math.min(width, height) };
      pictures.push({ kind, png: await page.screenshot({ clip }) });
      await page.close();
    }
    expect(pictures.map(({ kind }) => kind)).toEqual(['webgl2', 'canvas2d', 'canvas2d']);
    const [card, software, none] = pictures.map(({ png }) => png);
    if (!card || !software || !none) throw new Error('A picture is missing.');
    const page = await drawn(await openPanel(browser, scenario));
    // Edges of cells may fall on either side of a pixel, and a colour may round to its neighbour in the table.
    expect(await difference(page, card, software)).toBeLessThan(0.02);
    expect(await difference(page, card, none)).toBeLessThan(0.02);
    expect(await colorCount(page, card)).toBeGreaterThan(20);
    await page.close();
  });

  it('zooms to the block that is brushed with Shift', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, words: manyWords(126) }));
    const { x, y } = (await page.locator('.frame').boundingBox()) ?? fail();
    await page.mouse.move(x + 300, y + 300);
    const before = await page.getByTestId('readout').innerText();
    await page.keyboard.down('Shift');
    await page.mouse.down();
    await page.mouse.move(x + 380, y + 380, { steps: 3 });
    await screenshot(page, 'heatmap-brush');
    await page.mouse.up();
    await page.keyboard.up('Shift');
    const corner = (await page.locator('canvas.matrix').boundingBox()) ?? fail();
    await page.mouse.move(corner.x + 5, corner.y + 5);
    expect(await page.getByTestId('readout').innerText()).toBe(before);
    await page.close();
  });

  it('brushes with Shift and the arrow keys, and zooms with Enter', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, words: manyWords(126) }));
    await page.getByRole('grid').focus();
    for (const key of ['ArrowDown', 'ArrowRight', 'Shift+ArrowDown', 'Shift+ArrowDown', 'Shift+ArrowRight']) {
      await page.keyboard.press(key);
    }
    const words = await page.evaluate(() => window.fakeHost.words);
    const block = `Block of 3 × 2: rows “${words[1]}” to “${words[3]}”, columns “${words[1]}” to “${words[2]}”`;
    await page.locator('.active-cell', { hasText: block }).waitFor();
    await screenshot(page, 'heatmap-brush-keys');
    await page.keyboard.press('Escape');
    expect(await page.locator('.active-cell').innerText()).not.toContain('Block');
    for (const key of ['Shift+ArrowUp', 'Shift+ArrowLeft', 'Enter']) await page.keyboard.press(key);
    expect(await page.locator('.active-cell').innerText()).not.toContain('Block');
    // The block was rows 2 to 3 and columns 1 to 2, so that its first cell is now in the corner.
    const corner = (await page.locator('canvas.matrix').boundingBox()) ?? fail();
    await page.mouse.move(corner.x + 5, corner.y + 5);
    await page
      .getByTestId('readout')
      .filter({ hasText: `“${words[2]}” attends to “${words[1]}”` })
      .waitFor();
    await page.close();
  });

  it.each([
    ['never', 'loading', 'Computing attention'],
    ['failed', 'failed', 'The model folder has no file model.safetensors.'],
    ['nothing-shown', 'empty', 'No attention is shown'],
  ] as const)('says what is the matter when answers are: %s', async (answers, state, text) => {
    const page = await openPanel(browser, { ...scenario, answers });
    const notice = page.locator(`.notice[data-state=${state}]`, { hasText: text });
    await notice.waitFor();
    await screenshot(page, `notice-${state}`);
    expect(await seriousProblems(page)).toEqual([]);
    await page.close();
  });

  it('says that a text was cut', async () => {
    const page = await drawn(await openPanel(browser, { ...scenario, answers: 'truncated' }, 'light'));
    expect(await page.locator('.banner').innerText()).toContain('512 tokens');
    await page.close();
  });
});

function fail(): never {
  throw new Error('not laid out');
}

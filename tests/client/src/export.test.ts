import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { colorCount, drawn, launch, openPanel, type PanelPage, screenshot, sentence } from './panel-page.js';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

// A token that spreadsheets, CSV and XML would each take amiss.
const words = [...sentence.slice(0, 12), '=1+1', '"quoted",', '<b>&amp;'];
const scenario = { words, layers: 3, heads: 4 };

async function saved(page: PanelPage, format: 'svg' | 'png' | 'csv'): Promise<string> {
  await page.getByLabel('Save or copy').selectOption(format);
  const message = await page.evaluate(() => window.fakeHost.sent.findLast(({ type }) => type === 'save'));
  if (message?.type !== 'save' || message.format !== format) throw new Error(`no ${format} was saved`);
  return message.content;
}

describe('saving a view', () => {
  it('as CSV gives every weight, with its tokens quoted', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    const lines = (await saved(page, 'csv')).trimEnd().split('\r\n');
    const count = words.length + 2;
    expect(lines).toHaveLength(1 + count * count);
    expect(lines[0]).toBe('query,query_token,key,key_token,weight');
    const weight = await page.evaluate(() => window.fakeHost.weight(0, 0, 1, 0));
    expect(lines[1 + count]).toMatch(/^1,The,0,\[CLS\],0\.\d+$/);
    expect(Number(lines[1 + count]?.split(',')[4])).toBeCloseTo(weight, 6);
    expect(lines.some(line => line.includes(",'=1+1,"))).toBe(true);
    expect(lines.some(line => line.includes(',"""quoted"",",'))).toBe(true);
    await page.close();
  });

  it.each(['heatmap', 'head', 'row', 'model'] as const)('as SVG draws what the %s view shows', async tab => {
    const page = await openPanel(browser, { ...scenario, tab }, 'light');
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await drawn(page);
    // The cursor's row may still be on its way.
    await page.waitForTimeout(300);
    const svg = await saved(page, 'svg');
    const target = await page.context().newPage();
    await target.setContent(`<body style="margin:0">${svg}</body>`);
    const problems = await target.evaluate(
      text => new DOMParser().parseFromString(text, 'image/svg+xml').querySelector('parsererror')?.textContent,
      svg,
    );
    expect(problems).toBeUndefined();
    if (tab !== 'model') {
      expect(svg).toContain('trophy');
      expect(svg).toContain('&#60;b&#62;&#38;amp;');
    }
    expect(await colorCount(target, await target.screenshot())).toBeGreaterThan(20);
    await screenshot(target, `svg-${tab}`);
    await page.close();
  });

  it.each(['heatmap', 'head', 'row', 'model'] as const)('as PNG gives the %s view', async tab => {
    const page = await openPanel(browser, { ...scenario, tab });
    await page.evaluate(() => window.fakeHost.post({ type: 'cursor', position: { line: 0, character: 5 } }));
    await drawn(page);
    const png = Buffer.from(await saved(page, 'png'), 'base64');
    expect(await colorCount(page, png)).toBeGreaterThan(20);
    await page.close();
  });

  it.each(['html', 'npz', 'safetensors'] as const)(
    'as %s is left to the host, with the view that is shown',
    async format => {
      const page = await drawn(await openPanel(browser, { ...scenario, view: { layer: 'auto', head: 'mean' } }));
      await page.getByLabel('Save or copy').selectOption(format);
      const message = await page.evaluate(() => window.fakeHost.sent.findLast(({ type }) => type === 'export'));
      expect(message).toEqual({ type: 'export', format, name: 'sample', view: { layer: 1, head: 2 } });
      await page.close();
    },
  );

  it('copies numbers through the host, and says so', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.getByLabel('Save or copy').selectOption('numbers');
    await page.locator('nav', { hasText: 'Copied' }).waitFor();
    const message = await page.evaluate(() => window.fakeHost.sent.findLast(({ type }) => type === 'copy'));
    if (message?.type !== 'copy') throw new Error('nothing was copied');
    expect(message.text).toBe(await saved(page, 'csv'));
    await page.close();
  });

  it('copies the picture where the browser lets it, and else says what to do', async () => {
    const page = await drawn(await openPanel(browser, scenario));
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.bringToFront();
    await page.getByLabel('Save or copy').selectOption('picture');
    await page.locator('nav', { hasText: 'Copied' }).waitFor();
    const kinds = await page.evaluate(async () => (await navigator.clipboard.read()).flatMap(({ types }) => types));
    expect(kinds).toEqual(['image/png']);
    await page.evaluate(() => {
      navigator.clipboard.write = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    });
    await page.getByLabel('Save or copy').selectOption('picture');
    const asked = () => page.evaluate(() => window.fakeHost.sent.findLast(({ type }) => type === 'command'));
    await expect.poll(asked).toEqual({ type: 'command', command: 'cannotCopy' });
    await page.close();
  });
});

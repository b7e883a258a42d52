import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { source as axeSource } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import type * as vscode from 'vscode';
import { panelHtml } from '../../../client/src/panel-html.js';
import { installFakeHost, type Scenario } from './fake-host.js';
import { type ThemeName, themes } from './themes.js';

const dist = fileURLToPath(new URL('../../../client/dist', import.meta.url));
const shots = fileURLToPath(new URL('../out', import.meta.url));
const origin = 'https://panel.test';

const executable =
  process.env.CHROMIUM_PATH ??
  ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

export async function launch(args: readonly string[] = []): Promise<Browser> {
  if (!executable) throw new Error('The panel tests need Chromium: apt-get install chromium, or set CHROMIUM_PATH.');
  return chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-quic', ...args] });
}

export interface PanelPage extends Page {
  /** Errors of scripts, and what the content security policy refused. */
  readonly problems: string[];
}

const types: Record<string, string> = { js: 'text/javascript', css: 'text/css', ttf: 'font/ttf' };

/** The real page of a panel, with its real content security policy, in front of a fake host. */
export async function openPanel(
  browser: Browser,
  scenario: Scenario,
  theme: ThemeName = 'dark',
  size = { width: 900, height: 700 },
): Promise<PanelPage> {
  return openPage(browser, 'panel', page => page.addInitScript(installFakeHost, scenario), theme, size);
}

/** The page of a bundle by its name; `install` puts the fake host before it. */
export async function openPage(
  browser: Browser,
  name: string,
  install: (page: Page) => Promise<unknown>,
  theme: ThemeName,
  size: { width: number; height: number },
): Promise<PanelPage> {
  const context = await browser.newContext({ viewport: size, reducedMotion: 'reduce' });
  const page = Object.assign(await context.newPage(), { problems: [] as string[] });
  page.on('pageerror', error => page.problems.push(String(error)));
  page.on('console', message => message.type() === 'error' && page.problems.push(message.text()));
  const webview = { cspSource: origin, asWebviewUri: (uri: { path: string }) => `${origin}${uri.path}` };
  const html = panelHtml(webview as unknown as vscode.Webview, { path: '/dist' } as vscode.Uri, 'bm9uY2U', name);
  await page.route(`${origin}/**`, route => {
    const { pathname } = new URL(route.request().url());
    if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: html });
    const file = path.join(dist, path.basename(pathname));
    return existsSync(file)
      ? route.fulfill({ contentType: types[file.split('.').at(-1) ?? ''] ?? '', body: readFileSync(file) })
      : route.fulfill({ status: 404 });
  });
  await install(page);
  await page.addInitScript(({ kind, variables }) => {
    document.addEventListener('DOMContentLoaded', () => {
      document.body.dataset.vscodeThemeKind = kind;
      document.body.className = kind;
      for (const [name, value] of Object.entries(variables)) document.documentElement.style.setProperty(name, value);
    });
  }, themes[theme]);
  await page.goto(`${origin}/`);
  return page;
}

/** Waits until nothing that is drawn is out of date. */
export async function drawn(page: PanelPage): Promise<PanelPage> {
  await page.locator('.panel[data-stale=false] footer').waitFor();
  return page;
}

/** What axe finds serious or critical. */
export async function seriousProblems(page: PanelPage): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`);
  });
}

/** How many colours a PNG has, counted in the browser: millions of numbers are slow to bring here. */
export function colorCount(page: Page, png: Buffer): Promise<number> {
  return page.evaluate(async base64 => {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
    context?.drawImage(image, 0, 0);
    const { buffer } = context?.getImageData(0, 0, image.width, image.height).data ?? new Uint8ClampedArray();
    return new Set(new Uint32Array(buffer)).size;
  }, png.toString('base64'));
}

/** The share of the colour values of two PNGs of one size that differ by more than 8 of 255; 1 for two sizes. */
export function difference(page: Page, a: Buffer, b: Buffer): Promise<number> {
  return page.evaluate(
    async pngs => {
      const [first, second] = await Promise.all(
        pngs.map(async base64 => {
          const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
          const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
          const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
          context?.drawImage(image, 0, 0);
          return context?.getImageData(0, 0, image.width, image.height);
        }),
      );
      if (!first || first.width !== second?.width || first.height !== second.height) return 1;
      const different = first.data.filter((value, index) => Math.abs(value - (second.data[index] ?? 0)) > 8);
      return different.length / first.data.length;
    },
    [a, b].map(png => png.toString('base64')),
  );
}

export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

export const sentence = (
  'The trophy would not fit in the suit ##case because it was too big . Nobody in the room had measured it before ' +
  'the train left , and the driver , who was in a hurry , did not wait for the owner of the suit ##case .'
).split(' ');

/** As many words as wanted, of different lengths. */
export const manyWords = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => sentence[(index * 7 + Math.floor(index / 11)) % sentence.length] ?? '');

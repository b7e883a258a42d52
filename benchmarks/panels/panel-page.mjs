// What the benchmarks of the panels share: the browser, the panel's own bundle, and a host for it that runs in the page.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { root } from '../../scripts/lib/paths.mjs';
import { chromium as installed } from '../../scripts/lib/requirements.mjs';

/** Chromium without the screen's clock, so that a frame takes as long as it takes. */
export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? installed(),
    args: ['--no-sandbox', '--disable-frame-rate-limit', '--disable-gpu-vsync'],
  });

/** Browser, machine, load, and who draws WebGL: a card, or the processor in its place. */
export async function describeMachine(browser) {
  const page = await browser.newPage();
  const renderer = await page.evaluate(() => {
    const gl = document.createElement('canvas').getContext('webgl2');
    const unmasked = gl?.getExtension('WEBGL_debug_renderer_info');
    return unmasked ? gl.getParameter(unmasked.UNMASKED_RENDERER_WEBGL) : 'no WebGL2';
  });
  await page.close();
  const load = `load ${loadavg()[0].toFixed(1)} on ${cpus().length} cores`;
  return `${renderer}\nChromium ${browser.version()}, ${cpus()[0].model.trim()}, ${load}`;
}

/** The panel's bundle, built from today's sources. */
export function buildPanel() {
  const client = path.join(root, 'client');
  execFileSync(process.execPath, ['esbuild.mjs'], { cwd: client, stdio: 'inherit' });
  const [script, style] = ['panel.js', 'panel.css'].map(file => readFileSync(path.join(client, 'dist', file), 'utf8'));
  return { script, style };
}

/**
 * The extension host, in the page. Runs there: it may not refer to anything outside itself. Weights come from `source`, an address that is
 * asked with METHOD and the parameters as JSON and answers bytes; without one they are made up.
 */
export function host({ words, layers = 1, heads = 1, tab = 'heatmap', source }) {
  const count = words.length;
  const noise = source
    ? new Float32Array(0)
    : Float32Array.from({ length: 1 << 20 }, (_, index) => (((index * 2654435761) >>> 0) / 2 ** 32) ** 8);
  const bytes = async (method, params, length) => {
    if (!source) return noise.slice(0, length).buffer;
    return (await fetch(`${source}/${method}`, { method: 'POST', body: JSON.stringify(params) })).arrayBuffer();
  };
  const tokens = words.map((text, index) => {
    const [start, end] = [6 * index, 6 * index + 5].map(character => ({ line: 0, character }));
    return { index, id: index, text, range: { start, end }, special: false, typeId: 0 };
  });
  const [version, status] = [1, 'ok'];
  const range = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };
  const view = { layer: 0, head: 0 };
  const share = { entropy: 1, normalizedEntropy: 0.5, max: 0.5, meanDistance: count / 4 };
  const profile = { ...share, first: 0.1, separators: 0.1, previous: 0.1, next: 0.1, same: 0.1 };
  const answers = {
    tokens: () => ({
      range,
      model: { name: 'made up', modelType: 'bert', kind: 'encoder', layers, heads },
      tokens,
      stacks: [{ kind: 'encoder', layers, heads, queries: count, keys: count }],
      view,
    }),
    tile: async params => {
      const [rows, columns] = params.size;
      const data = await bytes('tile', params, rows * columns);
      const max = source ? new Float32Array(data).reduce((a, b) => Math.max(a, b), 0) : 1;
      return { data, shape: [rows, columns], max };
    },
    row: async params => ({ weights: await bytes('row', params, count) }),
    overview: async params => ({
      data: await bytes('overview', params, 0),
      shape: [layers, heads, params.size, params.size],
      stack: 'encoder',
      profiles: Array.from({ length: layers }, () => Array(heads).fill(profile)),
    }),
    heads: () => ({ stack: 'encoder', reason: 'not measured here' }),
  };
  const post = message => window.postMessage(message, '*');
  window.acquireVsCodeApi = () => ({
    getState: () => undefined,
    setState: () => undefined,
    async postMessage(message) {
      if (message.type === 'ready') {
        post({ type: 'init', strings: {}, settings: { colorMap: 'lens', scale: 'sqrt' }, view, tab });
        post({ type: 'comparison', comparison: null });
        post({ type: 'changed', target: { uri: 'file:///a.txt', name: 'a.txt', range } });
      } else if (message.type === 'request') {
        const result = { version, status, ...(await answers[message.method]?.(message.params)) };
        setTimeout(() => {
          // Whoever measures sees which answer has arrived.
          window.answered = message;
          post({ type: 'reply', id: message.id, result });
        });
      }
    },
  });
}

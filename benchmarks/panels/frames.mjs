// node benchmarks/panels/frames.mjs [TOKENS]...: how long a frame of the heatmap takes while it is panned and zoomed.
// The panel's own bundle in Chromium (CHROMIUM_PATH or /usr/bin/chromium), without the screen's clock, so that a frame takes as long as it
// takes; each step is a wheel event, a new picture, and beyond 1,024 tokens a new tile of 4 MB from the host, whose weights are made up.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { root } from '../../scripts/lib/paths.mjs';

const frames = 120;
const client = path.join(root, 'client');
execFileSync(process.execPath, ['esbuild.mjs'], { cwd: client, stdio: 'inherit' });
const [script, style] = ['panel.js', 'panel.css'].map(file => readFileSync(path.join(client, 'dist', file), 'utf8'));

/** The extension host, in the page. Runs there: it may not refer to anything outside itself. */
function host({ count, webgl }) {
  // The panel itself takes no WebGL that is drawn by the processor.
  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    if (kind === 'webgl2' && !webgl) return null;
    return getContext.call(this, kind, options && { ...options, failIfMajorPerformanceCaveat: false });
  };
  const noise = Float32Array.from({ length: 1 << 20 }, (_, index) => (((index * 2654435761) >>> 0) / 2 ** 32) ** 8);
  const words = ['The', 'trophy', 'would', 'not', 'fit', 'in', 'the', 'suit', '##case'];
  const tokens = Array.from({ length: count }, (_, index) => {
    const [start, end] = [6 * index, 6 * index + 5].map(character => ({ line: 0, character }));
    return { index, id: index, text: words[index % words.length], range: { start, end }, special: false, typeId: 0 };
  });
  const [version, status] = [1, 'ok'];
  const range = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };
  const view = { layer: 0, head: 0 };
  const answers = {
    tokens: () => ({
      range,
      model: { name: 'made up', modelType: 'bert', kind: 'encoder', layers: 1, heads: 1 },
      tokens,
      stacks: [{ kind: 'encoder', layers: 1, heads: 1, queries: count, keys: count }],
      view,
    }),
    tile: ({ size: [rows, columns] }) => ({ data: noise.slice(0, rows * columns).buffer, shape: [rows, columns], max: 1 }),
    row: () => ({ weights: noise.slice(0, count).buffer }),
  };
  const post = message => window.postMessage(message, '*');
  window.acquireVsCodeApi = () => ({
    getState: () => undefined,
    setState: () => undefined,
    postMessage(message) {
      if (message.type === 'ready') {
        post({ type: 'init', strings: {}, settings: { colorMap: 'lens', scale: 'sqrt' }, view, tab: 'heatmap' });
        post({ type: 'comparison', comparison: null });
        post({ type: 'changed', target: { uri: 'file:///a.txt', name: 'a.txt', range } });
      } else if (message.type === 'request') {
        const result = { version, status, ...answers[message.method]?.(message.params) };
        setTimeout(() => post({ type: 'reply', id: message.id, result }));
      }
    },
  });
}

/** Milliseconds from frame to frame, a wheel event in each. Runs in the page. */
function measure({ kind, frames }) {
  const frame = document.querySelector('.frame');
  const box = frame.getBoundingClientRect();
  const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true, cancelable: true };
  return new Promise(resolve => {
    const times = [];
    let before = 0;
    const step = now => {
      if (times.length > frames) return resolve(times.slice(1));
      if (before > 0) times.push(now - before);
      before = now;
      // There and back, so that the edge is never reached.
      const sign = times.length < frames / 2 ? 1 : -1;
      const move = kind === 'pan' ? { deltaX: 12 * sign, deltaY: 12 * sign } : { deltaY: -4 * sign, ctrlKey: true };
      frame.dispatchEvent(new WheelEvent('wheel', { ...at, ...move }));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-frame-rate-limit', '--disable-gpu-vsync'],
});
/** Who draws WebGL: a card, or the processor in its place. */
function renderer() {
  const gl = document.createElement('canvas').getContext('webgl2');
  const unmasked = gl?.getExtension('WEBGL_debug_renderer_info');
  return unmasked ? gl.getParameter(unmasked.UNMASKED_RENDERER_WEBGL) : 'no WebGL2';
}

const sizes = process.argv.slice(2).map(Number);
const blank = await browser.newPage();
console.log(await blank.evaluate(renderer));
console.log(`Chromium ${browser.version()}, ${cpus()[0].model.trim()}, load ${loadavg()[0].toFixed(1)} on ${cpus().length} cores`);
console.log('| tokens | drawn by | pan, median | pan, 95 % | zoom, median | zoom, 95 % |');
console.log('| --- | --- | --- | --- | --- | --- |');
try {
  for (const count of sizes.length > 0 ? sizes : [128, 512, 4096]) {
    for (const webgl of [true, false]) {
      const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
      page.on('pageerror', error => console.error(String(error)));
      await page.setContent(`<style>${style}</style><main id="root"></main>`);
      await page.evaluate(host, { count, webgl });
      await page.addScriptTag({ content: script });
      await page.locator('.panel[data-stale=false] footer').waitFor({ timeout: 120_000 });
      // Zoomed in, so that there is something to move.
      await page.getByRole('grid').focus();
      for (let press = 0; press < (count > 1000 ? 4 : 2); press++) await page.keyboard.press('+');
      await page.evaluate(measure, { kind: 'pan', frames: 20 });
      const cells = [];
      for (const kind of ['pan', 'zoom']) {
        const times = (await page.evaluate(measure, { kind, frames })).sort((a, b) => a - b);
        for (const share of [0.5, 0.95]) cells.push(`${times[Math.floor(share * times.length)].toFixed(1)} ms`);
      }
      console.log(`| ${count.toLocaleString('en')} | ${webgl ? 'WebGL2' : 'Canvas2D'} | ${cells.join(' | ')} |`);
      await page.close();
    }
  }
} finally {
  await browser.close();
}

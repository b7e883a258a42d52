// node benchmarks/panels/frames.mjs [TOKENS]...: how long a frame of the heatmap takes while it is panned and zoomed.
// The panel's own bundle in Chromium (CHROMIUM_PATH or /usr/bin/chromium), without the screen's clock, so that a frame takes as long as it
// takes; each step is a wheel event, a new picture, and beyond 1,024 tokens a new tile of 4 MB from the host, whose weights are made up.

import { buildPanel, describeMachine, host, launch } from './panel-page.mjs';

const frames = 120;
const { script, style } = buildPanel();
const words = ['The', 'trophy', 'would', 'not', 'fit', 'in', 'the', 'suit', '##case'];

/** The panel itself takes no WebGL that is drawn by the processor. Runs in the page. */
function drawBy(webgl) {
  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    if (kind === 'webgl2' && !webgl) return null;
    return getContext.call(this, kind, options && { ...options, failIfMajorPerformanceCaveat: false });
  };
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

const browser = await launch();
const sizes = process.argv.slice(2).map(Number);
console.log(await describeMachine(browser));
console.log('| tokens | drawn by | pan, median | pan, 95 % | zoom, median | zoom, 95 % |');
console.log('| --- | --- | --- | --- | --- | --- |');
try {
  for (const count of sizes.length > 0 ? sizes : [128, 512, 4096]) {
    for (const webgl of [true, false]) {
      const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
      page.on('pageerror', error => console.error(String(error)));
      await page.setContent(`<style>${style}</style><main id="root"></main>`);
      await page.evaluate(drawBy, webgl);
      await page.evaluate(host, { words: Array.from({ length: count }, (_, index) => words[index % words.length]) });
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

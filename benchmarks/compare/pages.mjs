// What a browser does with a page of attention: when its picture is there, how long it takes to show another token or head, and what it holds.
// The same steps for every kind of page, each in a Chromium of its own, so that nothing is warm and the renderer's memory is of one page.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';
import { buildPanel, host, launch } from '../panels/panel-page.mjs';

/** Steps of each kind, and the time after which no further one begins (ms). */
const steps = 24;
const enough = 5_000;

// What BertViz's pages fetch from a CDN, so that no network is needed and none is measured. npm has no jQuery 2.0.0, for which they ask, but 2.1.0.
const require = createRequire(import.meta.url);
const libraries = {
  'require.js/2.3.6/require.min.js': 'requirejs/require.js',
  'd3/5.7.0/d3.min.js': 'd3/dist/d3.min.js',
  'jquery/2.0.0/jquery.min.js': 'jquery/dist/jquery.min.js',
};

/** The kinds of pages. `first` of the panel with all heads is that of the panel with one, so it is not told. */
export const kinds = {
  page: 'Attention Lens, the page',
  modelPanel: 'Attention Lens, model view',
  headPanel: 'Attention Lens, head view, one head',
  headsPanel: 'Attention Lens, head view, all heads of a layer',
  head_view: 'BertViz head_view',
  model_view: 'BertViz model_view',
};

/** Runs in the page before anything of it: `window.bench` does there what a user does, and waits until it is seen. */
function install({ kind, steps, enough }) {
  const one = selector => document.querySelector(selector);
  const all = selector => [...document.querySelectorAll(selector)];
  const mouse = (element, type, at = {}) => element.dispatchEvent(new MouseEvent(type, { bubbles: true, ...at }));
  const pick = (select, value) => {
    select.value = value;
    select.dispatchEvent(new Event('change', { bubbles: true }));
  };
  const frame = () => new Promise(requestAnimationFrame);
  let marker;
  /** The frame before must be drawn, not only described, before another change of the page is taken to the screen. */
  const painted = async () => {
    if (!marker) {
      marker = document.createElement('div');
      marker.style.cssText = 'position:fixed;right:0;bottom:0;width:1px;height:1px;will-change:transform';
      document.body.append(marker);
    }
    await frame();
    marker.style.background = marker.style.background ? '' : '#888';
    await frame();
  };
  const isCurrent = () => one('.panel[data-stale=false] footer') !== null;
  const hasAnswer = wanted => {
    const view = window.answered?.params.view;
    return isCurrent() && view !== undefined && Object.keys(wanted).every(key => view[key] === wanted[key]);
  };
  const readout = () => one('[data-testid=readout]')?.textContent ?? '';

  const headPanel = {
    isDrawn: () => isCurrent() && (one('canvas.sticky')?.width ?? 0) > 300,
    token(index) {
      const canvas = one('canvas.sticky');
      const box = canvas.getBoundingClientRect();
      const seen = Math.min(Math.floor(box.height / 20), window.count);
      const token = index % seen;
      const at = { clientX: box.left + 10, clientY: box.top + 20 * token + 10, bubbles: true };
      canvas.dispatchEvent(new PointerEvent('pointermove', at));
      return () => readout().startsWith(`“t${token}” `) && !readout().includes('…');
    },
    head(index) {
      one('canvas.sticky').dispatchEvent(new PointerEvent('pointerleave', { bubbles: true }));
      pick(one('.toolbar select[aria-label=Layer]'), index);
      return () => hasAnswer({ layer: index });
    },
  };
  const acts = {
    page: {
      isDrawn: () => one('#row tr') !== null,
      token: index => all('#tokens button')[index % window.count].click(),
      head: index => pick(one('#head'), index),
    },
    head_view: {
      isDrawn: () => one('#vis line') !== null,
      token: index => mouse(all('#left > g:last-child > g')[index % window.count], 'mouseover'),
      head: index => pick(one('#layer'), index),
    },
    // A click opens the head beside its thumbnail; its tokens are then pointed at.
    model_view: {
      isDrawn: () => one('#vis line') !== null,
      head: index => mouse(one(`#attn_background_1_${index}`).parentNode.lastChild, 'click'),
      token: index => mouse(one('g.detail').children[index % window.count], 'mouseover'),
    },
    // A click opens the head's heatmap, through which the keyboard goes.
    modelPanel: {
      isDrawn: () => isCurrent() && (one('canvas.thumbnails')?.width ?? 0) > 300,
      async before() {
        one('#tab-model').click();
        while (!acts.modelPanel.isDrawn()) await frame();
        await painted();
      },
      head(index) {
        const canvas = one('canvas.thumbnails');
        const box = canvas.getBoundingClientRect();
        const pitch = Math.min(122, Math.floor((box.width - 34) / 12));
        mouse(canvas, 'click', { clientX: box.left + 34 + (index + 0.4) * pitch, clientY: box.top + 20 + 1.4 * pitch });
        return () => one('canvas.matrix') !== null && hasAnswer({ layer: 1, head: index });
      },
      token(index) {
        const [grid, before] = [one('.grid'), readout()];
        grid.focus();
        const key = Math.floor(index / (window.count - 1)) % 2 === 0 ? 'ArrowDown' : 'ArrowUp';
        grid.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
        return () => readout() !== before && !readout().includes('…');
      },
    },
    headPanel,
    headsPanel: {
      ...headPanel,
      async prepare() {
        for (const box of all('fieldset.heads input:not(:checked)')) {
          box.click();
          await painted();
        }
        while (!isCurrent()) await frame();
      },
    },
  };
  const act = acts[kind];

  window.bench = {
    /** Milliseconds from navigation to the picture. */
    async first() {
      // Not frame by frame: the page has the processor to itself until then.
      while (!act.isDrawn()) await new Promise(resolve => setTimeout(resolve, 4));
      await painted();
      return performance.now();
    },
    prepare: () => act.prepare?.(),
    /** Milliseconds from each event to the frame behind the one that shows what it asked for. */
    async times(what, from) {
      const times = [];
      const end = performance.now() + enough;
      for (let index = from; times.length < steps && (times.length === 0 || performance.now() < end); index++) {
        if (what === 'head') {
          if (index > 11) break;
          await act.before?.();
        }
        await painted();
        const begin = performance.now();
        const isShown = act[what](index);
        while (typeof isShown === 'function' && !isShown()) await frame();
        await painted();
        times.push(performance.now() - begin);
      }
      return times;
    },
    elements: () => document.getElementsByTagName('*').length - 1,
  };
}

/** Pools as the server does. */
function pool(weights, count, [firstRow, endRow], [firstColumn, endColumn], [height, width]) {
  const tile = new Float32Array(height * width);
  for (let query = firstRow; query < endRow; query++) {
    const y = Math.floor(((query - firstRow) * height) / (endRow - firstRow));
    for (let key = firstColumn; key < endColumn; key++) {
      const at = y * width + Math.floor(((key - firstColumn) * width) / (endColumn - firstColumn));
      tile[at] = Math.max(tile[at], weights[query * count + key]);
    }
  }
  return tile;
}

/** What the language server would answer, from the weights of every layer and head. */
function answer(method, params, { layers, heads, count, weightsOf }) {
  const { layer, head } = params.view ?? {};
  const whole = [0, count];
  if (method === 'row') return weightsOf(layer, head).slice(params.query * count, (params.query + 1) * count);
  if (method === 'tile') return pool(weightsOf(layer, head), count, params.rows, params.columns, params.size);
  const { size } = params;
  const bytes = new Uint8Array(layers * heads * size * size);
  for (let index = 0; index < layers * heads; index++) {
    const weights = weightsOf(Math.floor(index / heads), index % heads);
    const tile = pool(weights, count, whole, whole, [size, size]);
    bytes.set(
      tile.map(weight => Math.round(weight * 255)),
      index * size * size,
    );
  }
  return bytes;
}

/** `attentions.LAYER` of a safetensors file, [heads, queries, keys], each tensor at its place in the file. */
export function readAttention(file) {
  const bytes = readFileSync(file);
  const begin = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, begin));
  const layers = Object.keys(header).filter(name => /^attentions\.\d+$/.test(name)).length;
  const tensors = Array.from({ length: layers }, (_, layer) => {
    const [from, to] = header[`attentions.${layer}`].data_offsets;
    return new Float32Array(Uint8Array.from(bytes.subarray(begin + from, begin + to)).buffer);
  });
  const [heads, count] = header['attentions.0'].shape;
  const weightsOf = (layer, head) => tensors[layer].subarray(head * count * count, (head + 1) * count * count);
  return { layers, heads, count, weightsOf };
}

/** The panel with a host that has the attentions, on a port of this machine. */
export async function servePanel(attention) {
  const { script, style } = buildPanel();
  const words = Array.from({ length: attention.count }, (_, index) => `t${index}`);
  const { layers, heads } = attention;
  // Colours as of a light theme, where VS Code would bring its own.
  const colours = ':root { --vscode-editor-background: #fff; --vscode-editor-foreground: #3b3b3b; --vscode-foreground: #3b3b3b; }';
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      const tab = request.url.slice(1);
      const source = `http://${request.headers.host}`;
      const options = JSON.stringify({ words, layers, heads, tab, source });
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end(
        `<!doctype html><style>${colours}${style}</style><body class="vscode-light" data-vscode-theme-kind="vscode-light">` +
          `<main id="root"></main><script>(${host})(${options})</script><script>${script.replaceAll('</script', '<\\/script')}</script>`,
      );
      return;
    }
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const { buffer, byteOffset, byteLength } = answer(request.url.slice(1), JSON.parse(body), attention);
    response.end(Buffer.from(buffer, byteOffset, byteLength));
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  return { address, close: () => new Promise(resolve => server.close(resolve)) };
}

/**
 * Opens a page and uses it. Times in ms, memory in MB; `problem` says why there is none of it. `limit` (ms) holds for the first picture, and for
 * each series of steps.
 */
export async function openPage({ url, kind, count, limit, picture }) {
  const browser = await launch();
  const processes = async () => {
    const { processInfo } = await (await browser.newBrowserCDPSession()).send('SystemInfo.getProcessInfo');
    return processInfo;
  };
  const processId = (await processes()).find(({ type }) => type === 'browser').id;
  try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
    const failed = new Promise((_, reject) => {
      page.on('crash', () => reject(new Error('the page crashed')));
      page.on('pageerror', error => reject(new Error(`script error: ${error.message}`)));
      browser.on('disconnected', () => reject(new Error('the browser crashed')));
    });
    failed.catch(() => {});
    const within = async (work, what) => {
      work.catch(() => {});
      const late = new AbortController();
      const timer = wait(limit, undefined, late).then(() => {
        throw new Error(`no ${what} within ${limit / 1000} s`);
      });
      timer.catch(() => {});
      return Promise.race([work, failed, timer]).finally(() => late.abort());
    };
    await page.route('https://cdnjs.cloudflare.com/**', route => {
      const { pathname } = new URL(route.request().url());
      const file = libraries[pathname.replace('/ajax/libs/', '')];
      return file ? route.fulfill({ path: require.resolve(file) }) : route.abort();
    });
    await page.addInitScript(`window.count = ${count}; (${install})(${JSON.stringify({ kind, steps, enough })})`);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Performance.enable');
    const result = {};
    try {
      const open = page.goto(url, { waitUntil: 'commit', timeout: 0 }).then(() => page.evaluate('bench.first()'));
      result.first = await within(open, 'picture');
      await within(page.evaluate('bench.prepare()'), 'picture of all heads');
      if (picture) await page.screenshot({ path: picture, timeout: limit }).catch(error => console.error(error.message));
      // The model views show tokens in a head that has been opened.
      result.head = await within(page.evaluate(`bench.times('head', 1)`), 'other head or layer');
      result.token = await within(page.evaluate(`bench.times('token', 0)`), 'other token');
      if (picture) {
        const used = picture.replace(/\.png$/, '-used.png');
        await page.screenshot({ path: used, timeout: limit }).catch(error => console.error(error.message));
      }
      result.elements = await page.evaluate('bench.elements()');
      await within(cdp.send('HeapProfiler.collectGarbage'), 'garbage collection');
      const { metrics } = await cdp.send('Performance.getMetrics');
      result.heap = metrics.find(({ name }) => name === 'JSHeapUsedSize').value / 2 ** 20;
    } catch (error) {
      result.problem = error.message.split('\n')[0];
    }
    result.peak = await within(processes().then(peakOf), 'memory').catch(() => undefined);
    return result;
  } finally {
    // A page that does not answer does not close either, and would take the processor from the next one.
    const closed = browser.close().then(
      () => true,
      () => true,
    );
    if (!(await Promise.race([closed, wait(10_000)]))) process.kill(-processId, 'SIGKILL');
  }
}

/** The largest memory that a renderer had, where the system tells it (Linux). */
function peakOf(processes) {
  const peaks = processes
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => {
      try {
        return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]) / 1024;
      } catch {
        return Number.NaN;
      }
    })
    .filter(peak => !Number.isNaN(peak));
  return peaks.length > 0 ? Math.max(...peaks) : undefined;
}

// Drives VS Code as its user would: by keyboard, mouse and what is on the screen.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { out, root } from '../../../scripts/lib/paths.mjs';
import { chromium as chromiumPath } from '../../../scripts/lib/requirements.mjs';

// Opening a window on a busy machine takes half a minute; what happens in it then takes seconds,
// or many where a build runs beside it.
const patience = 60_000;
const shortPatience = 45_000;
const screenshots = path.join(out, 'e2e');

/**
 * Opens a window on a copy of samples/ in the workbench that `run.mjs` started. `files` are written into the copy,
 * `settings` become its workspace settings; `prepare` sees the folder before the window does.
 */
export async function openEditor({ files = {}, settings = {}, prepare, browserArgs = [] } = {}) {
  const url = process.env.ATTENTIONLENS_WORKBENCH;
  assert(url, 'run the end-to-end tests with npm test: it starts the workbench');
  const workspace = await mkdtemp(path.join(tmpdir(), 'attentionlens-e2e-'));
  await cp(path.join(root, 'samples'), workspace, { recursive: true });
  await mkdir(path.join(workspace, '.vscode'));
  await writeFile(path.join(workspace, '.vscode/settings.json'), JSON.stringify(settings));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(workspace, name)), { recursive: true });
    await writeFile(path.join(workspace, name), content);
  }
  await prepare?.(workspace);
  const editor = await openWindow(`${url}/?folder=${encodeURIComponent(workspace)}`, { browserArgs });
  return Object.assign(editor, {
    workspace,
    close: async () => {
      await editor.closeWindow();
      await rm(workspace, { recursive: true, force: true });
    },
  });
}

/** Opens a browser on the address of a workbench, and waits until its explorer shows the samples. */
export async function openWindow(address, { browserArgs = [] } = {}) {
  const profile = await mkdtemp(path.join(tmpdir(), 'attentionlens-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(),
    headless: false, // --headless=new below is the real browser without a window
    viewport: { width: 1400, height: 900 },
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...browserArgs,
    ],
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(patience);
  try {
    await page.goto(address, { waitUntil: 'domcontentloaded' });
    await page.locator('.explorer-viewlet .monaco-list-row', { hasText: 'coreference.txt' }).waitFor();
  } catch (error) {
    // A browser that stays open keeps the test's process, and so the whole run, from ending.
    await context.close();
    throw error;
  }
  page.setDefaultTimeout(shortPatience);
  return new Editor(page, async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
}

export class Editor {
  constructor(page, closeWindow) {
    this.page = page;
    this.closeWindow = closeWindow;
  }

  /** Opens a file of the workspace by name or path, and waits for its text. */
  async openFile(name) {
    const base = path.basename(name);
    const tab = this.page.locator(`.tab.active[data-resource-name="${base}"]`);
    // What was opened lately is listed at once, and what a search finds comes in between later: a click may land on a
    // neighbour.
    await this.repeatUntil(async () => {
      await this.page.keyboard.press('Control+p');
      await this.page.locator('.quick-input-widget input').first().fill(name);
      await this.pick(base);
    }, tab);
    // Attached, not visible: the line of an empty file has no width.
    await this.page
      .locator(':is(.editor-instance, .notebookOverlay) .view-lines .view-line')
      .first()
      .waitFor({ state: 'attached' });
  }

  /** Clicks, and again like a user whom a list that was just drawn anew has made miss, until what the click leads to is there. */
  async clickUntil(target, result) {
    await this.repeatUntil(() => target.click(), result);
  }

  /** Does something up to three times, until what it leads to is on the screen. */
  async repeatUntil(act, result) {
    for (let attempt = 1; ; attempt++) {
      await act();
      try {
        await result.waitFor({ timeout: attempt < 3 ? 8000 : shortPatience });
        return;
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  /** Runs a command by its title in the palette. */
  async run(title) {
    await this.page.keyboard.press('F1');
    await this.page.locator('.quick-input-widget input').first().fill(`>${title}`);
    await this.pick(title);
  }

  /** Reloads the window by VS Code's own command, which saves which editors are open; a reload of the page may come before that. */
  async reload() {
    await this.page.evaluate(() => {
      window.isBeforeReload = true;
    });
    await this.run('Developer: Reload Window');
    await this.page.waitForFunction(() => !('isBeforeReload' in window));
  }

  /** Chooses the entry with this text in the open quick pick: the one of this very name before those that contain it. */
  async pick(text) {
    const list = this.page.locator('.quick-input-list');
    const rows = list.locator('.monaco-list-row');
    const some = rows.filter({ hasText: text });
    await some.first().waitFor();
    // Entries that still come in move the others.
    for (let last = ''; ; ) {
      const now = await list.innerText();
      if (now === last) break;
      last = now;
      await this.page.waitForTimeout(250);
    }
    const exact = rows.filter({ has: this.page.locator('.label-name').getByText(text, { exact: true }) });
    await ((await exact.count()) > 0 ? exact : some).first().click();
  }

  /** Where a text stands on the screen, once it stands still: a panel that opens beside it makes its lines wrap anew. */
  async rectangle(text, occurrence = 0) {
    for (let last; ; ) {
      const now = await this.rectangleNow(text, occurrence);
      if (JSON.stringify(now) === JSON.stringify(last)) return now;
      last = now;
      await this.page.waitForTimeout(100);
    }
  }

  /**
   * Where a text stands at this moment. Monaco renders a line of plain text as one span with U+00A0 for spaces, so a
   * locator cannot find a word: a DOM range can.
   */
  async rectangleNow(text, occurrence) {
    const handle = await this.page.waitForFunction(
      ([text, occurrence]) => {
        const lines = [
          ...document.querySelectorAll(':is(.editor-instance, .notebookOverlay) .view-lines .view-line'),
        ].sort((a, b) => Number.parseFloat(a.style.top) - Number.parseFloat(b.style.top));
        let seen = 0;
        for (const line of lines) {
          const nodes = [];
          const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) nodes.push(walker.currentNode);
          const content = nodes
            .map(node => node.data)
            .join('')
            .replaceAll('\u00a0', ' ');
          for (let at = content.indexOf(text); at >= 0; at = content.indexOf(text, at + 1)) {
            if (seen++ < occurrence) continue;
            const range = document.createRange();
            // A place between two spans is the start of the later one for where a text starts, else its first rectangle
            // would be the empty one at the end of the span before.
            const locate = (offset, isStart) => {
              for (const node of nodes) {
                if (isStart ? offset < node.data.length : offset <= node.data.length) return [node, offset];
                offset -= node.data.length;
              }
              return [nodes.at(-1), nodes.at(-1).data.length];
            };
            range.setStart(...locate(at, true));
            range.setEnd(...locate(at + text.length, false));
            const { x, y, width, height } = range.getClientRects()[0];
            return { x, y, width, height };
          }
        }
        return undefined;
      },
      [text, occurrence],
    );
    return handle.jsonValue();
  }

  /** Puts the cursor into a word by a click in its middle. */
  async placeCursor(word, occurrence = 0) {
    const { x, y, width, height } = await this.rectangle(word, occurrence);
    await this.page.mouse.click(x + width / 2, y + height / 2);
  }

  /** Selects a text by dragging over it; it has to stand on one screen line. */
  async select(text, occurrence = 0) {
    const { x, y, width, height } = await this.rectangle(text, occurrence);
    await this.page.mouse.move(x, y + height / 2);
    await this.page.mouse.down();
    await this.page.mouse.move(x + width, y + height / 2, { steps: 4 });
    await this.page.mouse.up();
  }

  /** Text of the hover over a word that contains `expected`. */
  async hover(word, expected, occurrence = 0) {
    const { x, y, width, height } = await this.rectangle(word, occurrence);
    const hover = this.page
      .locator('.monaco-hover .hover-contents', { hasText: expected })
      .filter({ visible: true })
      .first();
    // A hover that was on its way when something else took the keyboard hides, and comes when the pointer comes again.
    for (let attempt = 1; ; attempt++) {
      await this.page.mouse.move(x + width / 2 - 3, y + height / 2);
      await this.page.mouse.move(x + width / 2, y + height / 2);
      try {
        await hover.waitFor({ timeout: attempt < 3 ? 10_000 : shortPatience });
        break;
      } catch (error) {
        if (attempt === 3) throw error;
        await this.page.mouse.move(24, 600);
        await this.page.waitForTimeout(500);
      }
    }
    return (await hover.innerText()).replaceAll('\u00a0', ' ').trim();
  }

  /**
   * What the decorations do to the visible text: its characters in reading order (wrapped and separate lines joined),
   * each with the fill, border and outline of the decoration boxes behind it. Decorations are boxes under the text and
   * neighbours of one kind are merged, so what they cover is found by geometry.
   * @returns {Promise<{ text: string, marks: { fill: string | null, border: string | null, outline: string | null }[] }>}
   */
  shades() {
    return this.page.evaluate(() => {
      const visible = color => (color && !/^transparent$|, 0\)$/.test(color) ? color : null);
      const boxes = [...document.querySelectorAll(':is(.editor-instance, .notebookOverlay) .view-overlays .cdr')]
        .filter(element => /\bced-/.test(element.className))
        .map(element => {
          const style = getComputedStyle(element);
          const { left, right, top, bottom } = element.getBoundingClientRect();
          const lined = side => style[`${side}Style`] !== 'none' && Number.parseFloat(style[`${side}Width`]) > 0;
          return {
            left,
            right,
            middle: (top + bottom) / 2,
            fill: visible(style.backgroundColor),
            border: lined('borderBottom') ? visible(style.borderBottomColor) : null,
            outline: lined('outline') ? visible(style.outlineColor) : null,
          };
        });
      const lines = [
        ...document.querySelectorAll(':is(.editor-instance, .notebookOverlay) .view-lines .view-line'),
      ].sort((a, b) => Number.parseFloat(a.style.top) - Number.parseFloat(b.style.top));
      let text = '';
      const marks = [];
      for (const line of lines) {
        const { top, bottom } = line.getBoundingClientRect();
        const row = boxes.filter(box => box.middle > top && box.middle < bottom);
        const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const node = walker.currentNode;
          for (let i = 0; i < node.data.length; i++) {
            const range = document.createRange();
            range.setStart(node, i);
            range.setEnd(node, i + 1);
            const { left, right } = range.getBoundingClientRect();
            const middle = (left + right) / 2;
            const over = row.filter(box => middle > box.left && middle < box.right);
            const first = key => over.find(box => box[key])?.[key] ?? null;
            text += node.data[i] === '\u00a0' ? ' ' : node.data[i];
            marks.push({ fill: first('fill'), border: first('border'), outline: first('outline') });
          }
        }
      }
      return { text, marks };
    });
  }

  /** The marks under each of `ranges` of a text that is visible as a whole, or undefined while it is not on the screen. */
  async shadesOf(text, ranges) {
    const screen = await this.shades();
    const at = screen.text.indexOf(text);
    if (at < 0) return undefined;
    return ranges.map(({ start, end }) => screen.marks.slice(at + start, at + end));
  }

  /** Repeats a look at the screen until `condition` holds for what it saw, and returns that. */
  async until(look, condition, what) {
    const deadline = Date.now() + shortPatience;
    for (;;) {
      const seen = await look();
      if (condition(seen)) return seen;
      if (Date.now() > deadline) {
        await this.screenshot(`failure-${what.replaceAll(/\W+/g, '-')}`);
        assert.fail(`not seen in time: ${what}; last seen: ${JSON.stringify(seen)?.slice(0, 2000)}`);
      }
      await this.page.waitForTimeout(100);
    }
  }

  /** The content of a panel; it sits two frames deep. */
  panel() {
    return this.page
      .frameLocator('iframe.webview.ready[src*="extensionId=attention-lens"]')
      .frameLocator('iframe#active-frame');
  }

  /** Pixels of an element as they are on the screen, whatever drew them (WebGL keeps no buffer to read back). */
  async pixels(locator) {
    const png = await locator.screenshot();
    return this.page.evaluate(async base64 => {
      const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      const counts = new Map();
      for (let i = 0; i < data.length; i += 4) {
        const color = `${data[i]},${data[i + 1]},${data[i + 2]}`;
        counts.set(color, (counts.get(color) ?? 0) + 1);
      }
      return {
        width: image.width,
        height: image.height,
        colors: Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]).slice(0, 4096)),
      };
    }, png.toString('base64'));
  }

  async screenshot(name) {
    await mkdir(screenshots, { recursive: true });
    await this.page.screenshot({ path: path.join(screenshots, `${name}.png`) });
  }
}

/** Process ids of the language servers that run out of the workbench's installed extension. */
export function serverProcesses() {
  const state = process.env.ATTENTIONLENS_WORKBENCH_STATE;
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter(line => line.includes(path.join(state, 'extensions')) && /attention-lens(\.exe|\.dll)? serve/.test(line))
    .map(line => Number.parseInt(line, 10));
}

export const parentOf = id => Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(id)], { encoding: 'utf8' }));

/** Process ids of the processes in which the workbench runs extensions, one for each window. */
export const extensionHosts = () =>
  execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter(line => line.includes('--type=extensionHost'))
    .map(line => Number.parseInt(line, 10));

// Makes the pictures of README.md and docs/: node tests/e2e/pictures.mjs [names ...], after npm run build.

import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { dist, executableName, root } from '../../scripts/lib/paths.mjs';
import { main } from '../../scripts/lib/process.mjs';
import { ensurePrograms } from '../../scripts/lib/requirements.mjs';
import { startWorkbench } from '../../scripts/lib/workbench.mjs';
import { openEditor } from './lib/editor.mjs';
import { settings } from './lib/settings.mjs';

const images = path.join(root, 'docs/images');
const dark = { 'workbench.colorTheme': 'Default Dark Modern' };

const letter = `Maria Lind met Tom Berg in Oslo, where he works for Hansa Line.

They left Oslo before Maria could write to her sister in Bergen. The ferry was late, the coffee was cold, and nobody at Hansa
Line wanted to say why.

I would not take that ferry again: three hours late, no word from the crew, and the only cabin smelled of diesel.
`;

const attentionLens = (args, input) => execFileSync(path.join(dist, executableName), args, { input });

/** Two annotators of the letter who differ on a label and on a border. */
const said = {
  anna: { 'Maria Lind': 'PER', 'Tom Berg': 'PER', Oslo: 'LOC', 'Hansa Line': 'ORG' },
  bob: { 'Maria Lind': 'PER', 'Tom Berg': 'PER', Oslo: 'LOC', Hansa: 'LOC' },
};

function annotate(document, annotator) {
  const lines = Object.entries(said[annotator]).map(([text, label]) => {
    const start = letter.indexOf(text);
    return JSON.stringify({ label, start, end: start + text.length });
  });
  attentionLens(['annotate', 'add', document, '--batch', '--by', annotator], lines.join('\n'));
}

/** A window on the samples with the sentence tinted; its side bar hidden, so that the text has the room. */
async function tinted(view, more = {}) {
  const editor = await openEditor({
    settings: { 'attentionLens.layer': view.layer, 'attentionLens.head': view.head, ...more },
  });
  await editor.openFile('coreference.txt');
  await editor.page.keyboard.press('Control+b');
  await editor.placeCursor('measured');
  await editor.run('AttentionLens: Show Attention');
  await editor.until(
    async () => (await editor.shades()).marks.filter(({ fill }) => fill).length,
    count => count > 5,
    'tints',
  );
  return editor;
}

/** Waits until a panel has drawn and the toasts and hovers are gone, then takes the upper part of the window. */
async function save(editor, name, { height = 620, pointer = [24, 600] } = {}) {
  if (pointer) await editor.page.mouse.move(...pointer);
  await editor.page.waitForTimeout(2500);
  await editor.page.screenshot({ path: path.join(images, name), clip: { x: 0, y: 0, width: 1400, height } });
}

async function panel(name, view, file, { more, prepare, ...options } = {}) {
  const editor = await tinted(view, more);
  try {
    await editor.run(`AttentionLens: Open ${name}`);
    await editor.panel().locator('footer').waitFor();
    await editor.placeCursor('measured');
    await prepare?.(editor, editor.panel());
    await save(editor, file, options);
  } finally {
    await editor.close();
  }
}

/** A panel on a sample, with a model of the box and one of its heads. */
async function sample(name, picture, { file, cursor, settings: own, prepare, ...options }) {
  const named = Object.entries(own).map(([key, value]) => [key.includes('.') ? key : `attentionLens.${key}`, value]);
  const editor = await openEditor({ settings: Object.fromEntries(named) });
  try {
    await editor.openFile(file);
    await editor.page.keyboard.press('Control+b');
    await editor.placeCursor(cursor);
    await editor.run('AttentionLens: Show Attention');
    await editor.run(`AttentionLens: Open ${name}`);
    await editor.panel().locator('footer').waitFor();
    await prepare?.(editor.panel());
    await editor.placeCursor(cursor);
    await save(editor, picture, options);
  } finally {
    await editor.close();
  }
}

const pictures = {
  'tints-and-heatmap': view => panel('Heatmap', view, 'tints-and-heatmap.png'),
  'model-view': view => panel('Model View', view, 'model-view.png', { more: dark }),
  'head-view': view => panel('Head View', view, 'head-view.png', { height: 760 }),
  'prediction-view': view =>
    panel('Prediction View', view, 'prediction-view.png', {
      height: 760,
      prepare: async (_, content) => {
        await content.locator('table.lens').waitFor();
        await content.locator('.side').getByLabel('Layer').selectOption('0');
        await content.getByRole('button', { name: 'Change Head' }).click();
        await content.locator('.moved').waitFor();
      },
    }),
  'alignment-view': () =>
    sample('Alignment View', 'alignment-view.png', {
      file: 'manual.txt',
      cursor: 'Datei',
      settings: { model: 'mini-translator', layer: 2, head: 2 },
      prepare: content => content.getByLabel('A token looks when it is').selectOption('written'),
    }),
  induction: () =>
    sample('Heatmap', 'induction.png', {
      file: 'repetition.txt',
      cursor: 'again',
      settings: { model: 'mini-decoder', layer: 3, head: 0, ...dark },
      height: 880,
    }),
  'trust-view': view =>
    panel('Trust View', view, 'trust-view.png', {
      height: 760,
      prepare: async (_, content) => {
        await content.locator('section[data-family=faithfulness]').getByRole('button', { name: 'Measure' }).click();
        await content.locator('.curves').waitFor();
      },
    }),
  hover: async view => {
    const editor = await tinted(view, dark);
    try {
      await editor.hover('measured', 'measured');
      await save(editor, 'hover.png', { height: 420, pointer: null });
    } finally {
      await editor.close();
    }
  },
  annotation: async () => {
    const editor = await openEditor({ files: { 'corpus/letter.txt': letter } });
    try {
      const { page } = editor;
      await editor.openFile('corpus/letter.txt');
      await page.keyboard.press('Control+b');
      // Alt with a digit is VS Code's until a label set is known.
      const count = labels => page.locator('.statusbar-item', { hasText: labels }).waitFor();
      await count('0 labels');
      for (const [index, [text, key]] of [
        ['Maria Lind', '1'],
        ['Tom Berg', '1'],
        ['Hansa Line', '2'],
        ['Oslo', '3'],
        ['three hours late', '5'],
        ['smelled of diesel', '5'],
      ].entries()) {
        await editor.select(text);
        await page.keyboard.press(`Alt+${key}`);
        await count(index === 0 ? '1 label' : `${index + 1} labels`);
      }
      await editor.hover('Tom Berg', 'looks at most');
      await save(editor, 'annotation-hover.png', { height: 340, pointer: null });
      await page.keyboard.press('Escape');
      await editor.placeCursor('Oslo');
      await page.keyboard.press('Control+Alt+l');
      await page.locator('[id="attention-lens.attention-lens.attentionLens.labelMode"]').waitFor();
      await page.keyboard.press('f');
      await page.locator('.statusbar-item', { hasText: 'LOC?' }).waitFor();
      await save(editor, 'annotation-queue.png', { height: 900 });
      await page.keyboard.press('Escape');
      await editor.placeCursor('diesel');
      await editor.run('AttentionLens: Show or Hide Rationale Agreement');
      const item = page.locator('.statusbar-item', { hasText: 'AUPRC' });
      await item.waitFor();
      await item.hover();
      await save(editor, 'annotation-rationale.png', { height: 900, pointer: null });
    } finally {
      await editor.close();
    }
  },
  adjudication: async () => {
    const editor = await openEditor({
      files: { 'corpus/letter.txt': letter },
      prepare: workspace => {
        for (const annotator of Object.keys(said)) annotate(path.join(workspace, 'corpus/letter.txt'), annotator);
      },
    });
    try {
      const { page } = editor;
      await editor.openFile('corpus/letter.txt');
      await page.keyboard.press('Control+b');
      await editor.run('AttentionLens: Adjudicate Two Annotators');
      await editor.pick('anna');
      const input = page.locator('.quick-input-widget input').first();
      await page.locator('.quick-input-widget', { hasText: 'Who decides between anna and bob?' }).waitFor();
      await input.fill('carla');
      await page.keyboard.press('Enter');
      await editor.panel().locator('article').first().click();
      await save(editor, 'adjudication.png');
    } finally {
      await editor.close();
    }
  },
  'corpus-search': async () => {
    const editor = await openEditor({
      prepare: workspace => {
        const texts = ['coreference.txt', 'lighthouse.txt'].map(name => path.join(workspace, name));
        const run = path.join(workspace, 'searched');
        attentionLens(['corpus', 'run', ...texts, '-o', run, '--keep', 'heads,hidden']);
        attentionLens(['corpus', 'index', run]);
      },
    });
    try {
      const { page } = editor;
      await editor.run('AttentionLens: Open Corpus Index');
      await editor.pick('searched');
      await editor.pick('Where a head attends from one kind of word to another');
      for (const [step, answer] of ['0.0', 'pronoun', 'word', '0.2'].entries()) {
        await page.locator('.quick-input-title', { hasText: `${step + 1} of 4` }).waitFor();
        await page.locator('.quick-input-widget input').first().fill(answer);
        await page.keyboard.press('Enter');
      }
      await editor.clickUntil(
        page.locator('.pane', { hasText: 'Corpus Search' }).locator('.monaco-list-row[aria-level="2"]').first(),
        page.locator('.tab.active'),
      );
      await save(editor, 'corpus-search.png', { height: 900 });
    } finally {
      await editor.close();
    }
  },
};

await main(async () => {
  const wanted = process.argv.slice(2);
  await ensurePrograms('chromium', 'fonts');
  await mkdir(images, { recursive: true });
  const workbench = await startWorkbench({
    vsix: path.join(dist, 'attention-lens.vsix'),
    settings: { ...settings, 'editor.fontSize': 15, 'window.zoomLevel': 0 },
  });
  process.env.ATTENTIONLENS_WORKBENCH = workbench.url;
  try {
    // A head of the embedded model that does more than look at its neighbour.
    const view = { layer: 1, head: 1 };
    for (const [name, make] of Object.entries(pictures)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      await make(view);
      console.log(`docs/images: ${name}`);
    }
  } finally {
    await workbench.stop();
  }
});

// The alignment view: source and target of an encoder-decoder, linked with the editor both ways; a target that the model writes.

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dist, executableName } from '../../scripts/lib/paths.mjs';
import { openEditor } from './lib/editor.mjs';
import { translator } from './lib/models.mjs';

const source = 'the old house stands on a hill';
const target = 'das alte haus steht auf dem berg';

let editor;
let models;
let model;
before(async () => {
  models = await mkdtemp(path.join(tmpdir(), 'attentionlens-models-'));
  model = await translator(path.join(models, 'tiny-marian'), [...source.split(' '), ...target.split(' ')]);
  editor = await openEditor({
    files: { 'pair.txt': `${source} ||| ${target}\n`, 'source.txt': `${source}\n` },
    settings: { 'attentionLens.model': model, 'attentionLens.pairSeparator': ' ||| ' },
  });
});
after(async () => {
  await editor?.close();
  await rm(models, { recursive: true, force: true });
});

/** The cross-attention of a target token, mean of all heads, as the command line has it. */
function crossRow(token) {
  const args = ['attend', source, '--target', target, '--model', model, '--layer', 'mean', '--head', 'mean'];
  const output = execFileSync(path.join(dist, executableName), [...args, '--format', 'json'], { encoding: 'utf8' });
  const stack = JSON.parse(output).stacks.find(({ kind }) => kind === 'cross');
  const query = stack.queries.findIndex(({ text }) => text === token);
  return stack.layers[0].heads[0].rows[query].map((weight, key) => ({ text: stack.keys[key].text, weight }));
}

const readout = text => editor.panel().getByTestId('readout').filter({ hasText: text }).waitFor();
const outlined = async () => {
  const { text, marks } = await editor.shades();
  return [...text]
    .map((character, i) => (marks[i]?.outline ? character : ' '))
    .join('')
    .trim()
    .split(/\s+/);
};

test('source and target stand side by side, and follow the cursor in either', async () => {
  await editor.openFile('pair.txt');
  await editor.placeCursor('house');
  await editor.run('AttentionLens: Show Attention');
  await editor.run('AttentionLens: Open Alignment View');
  await editor.run('AttentionLens: Select Layer and Head');
  await editor.page.locator('.quick-input-widget input').first().fill('cross mean of layers mean of heads');
  await editor.page.keyboard.press('Enter');
  await editor.placeCursor('haus');
  const [best] = crossRow('haus').sort((a, b) => b.weight - a.weight);
  await readout(`“haus” attends to “${best.text}” ${best.weight.toFixed(3)}`);
  await editor.placeCursor('hill');
  await readout('“hill” is attended to by');
  await editor.screenshot('alignment');
});

test('a token of the panel and its partner are marked in the editor', async () => {
  await editor.panel().getByRole('grid', { name: 'Alignment of source and target' }).focus();
  await editor.page.keyboard.press('Control+Home');
  for (const key of ['ArrowRight', 'ArrowDown']) await editor.page.keyboard.press(key);
  await editor.until(
    outlined,
    words => words.includes('das') && words.some(word => source.split(' ').includes(word)),
    'the first target word and a source word outlined',
  );
  await editor.screenshot('alignment-marks');
});

test('the table lists a source token for each target token', async () => {
  await editor.panel().getByRole('button', { name: 'Table' }).click();
  await editor.panel().getByRole('rowheader', { name: 'berg' }).waitFor();
});

test('a source alone says what cross-attention lacks, and gets the target that the model writes', async () => {
  await editor.run('View: Close All Editors');
  await editor.openFile('source.txt');
  await editor.placeCursor('house');
  await editor.run('AttentionLens: Show Attention');
  await editor.page.locator('.statusbar-item').getByText('There is no target text for cross attention').waitFor();
  await editor.run('AttentionLens: Open Heatmap');
  await editor
    .panel()
    .locator('[data-state="hint"]')
    .getByText('There is no target text for cross attention')
    .waitFor();
  await editor.run('AttentionLens: Open Alignment View');
  await editor.panel().getByRole('button', { name: 'Let the Model Write It' }).click();
  await editor.panel().getByText('Target, written by the model').waitFor();
  await readout(/\d+ links|attended to by/);
  await editor.screenshot('alignment-written');
});

test('the translator in the box is chosen by its name, and shows what a word translates', async () => {
  await editor.run('View: Close All Editors');
  await editor.run('AttentionLens: Choose Model');
  await editor.pick('mini-translator');
  await editor.openFile('manual.txt');
  await editor.placeCursor('Datei');
  await editor.run('AttentionLens: Show Attention');
  await editor.run('AttentionLens: Open Alignment View');
  await editor.panel().getByLabel('A token looks when it is').selectOption('written');
  await readout(/“Datei” attends to “file” 0\.\d+/);
  await editor.screenshot('alignment-embedded');
});

// Labels in the real editor: set by keyboard alone, kept through heavy edits and a reload, exported and imported again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dist, executableName } from '../../scripts/lib/paths.mjs';
import { openEditor, openWindow } from './lib/editor.mjs';

const letter =
  'Maria met Tom in Oslo.\n' +
  'They left Oslo before Maria could write.\n' +
  '\n' +
  'A doctor from Bergen, Dr. Lie, waited for Tom.\n' +
  '他在奥斯陆等了三天。😊 Oslo again.\n';

const labels = {
  version: 1,
  spans: [
    { name: 'PER', title: 'Person', color: 'blue', key: '1' },
    { name: 'LOC', title: 'Place', color: 'green', key: '2' },
    { name: 'rationale', color: 'yellow', key: '3', overlap: true },
  ],
  relations: [{ name: 'lives-in', from: ['PER'], to: ['LOC'] }],
  documents: [{ name: 'travel' }, { name: 'letter' }],
};

/** Two annotators who differ on one name and one border. */
const visit = 'Ada Lovelace met Charles Babbage in New York City.\n';
const said = {
  anna: { 'Ada Lovelace': 'PER', 'Charles Babbage': 'PER', 'New York': 'LOC' },
  bob: { 'Ada Lovelace': 'PER', 'Charles Babbage': 'LOC', 'New York City': 'LOC' },
};

/** Their sidecars, as the command line writes them. */
function annotate(document) {
  for (const [annotator, labels] of Object.entries(said)) {
    const input = Object.entries(labels)
      .map(([text, label]) => {
        const start = visit.indexOf(text);
        return `${JSON.stringify({ label, start, end: start + text.length })}\n`;
      })
      .join('');
    execFileSync(path.join(dist, executableName), ['annotate', 'add', document, '--batch', '--by', annotator], {
      input,
    });
  }
}

let editor;
before(async () => {
  editor = await openEditor({
    files: {
      'letters/attention-lens.labels.json': JSON.stringify(labels),
      'letters/first.txt': letter,
      'letters/second.txt': 'Nothing is labelled here.\n',
      'compared/attention-lens.labels.json': JSON.stringify(labels),
      'compared/visit.txt': visit,
    },
    prepare: workspace => annotate(path.join(workspace, 'compared/visit.txt')),
  });
  await editor.openFile('letters/first.txt');
});
after(() => editor?.close());

/** Types a path into the open file dialog and takes it. */
async function choose(target) {
  const input = editor.page.locator('.quick-input-widget input').first();
  await editor.until(
    () => input.inputValue(),
    value => value.startsWith('/'),
    'a file dialog with a path',
  );
  // The dialog lists the folder after it has opened and then puts its own proposal back, so what was typed is looked at again.
  for (let steady = 0; steady < 3; ) {
    if ((await input.inputValue()) === target) steady++;
    else {
      steady = 0;
      await input.fill(target);
    }
    await editor.page.waitForTimeout(400);
  }
  await keys('Enter');
}

const file = name => path.join(editor.workspace, 'letters', name);

const read = name =>
  readFile(file(name), 'utf8').then(
    text => text,
    () => '',
  );

/** The records of a sidecar without its first line. */
const sidecar = async (name = 'first.txt') =>
  (await read(`${name}.al.jsonl`))
    .split('\n')
    .slice(1)
    .filter(Boolean)
    .map(line => JSON.parse(line));

/** Label and text of every accepted span in the sidecar, in its order. */
const stored = async name =>
  (await sidecar(name))
    .filter(({ type, status }) => type === 'span' && !status)
    .map(({ label, at, state }) => `${label} ${at.map(({ quote }) => quote).join('+')}${state ? ` ${state}` : ''}`);

const keys = async (...names) => {
  for (const name of names) await editor.page.keyboard.press(name);
};

/** Moves the cursor by keyboard. */
async function goTo(line, column) {
  await keys('Control+g');
  await editor.page.locator('.quick-input-widget input').first().fill(`:${line}:${column}`);
  await keys('Enter');
  await editor.page.locator('.statusbar-item', { hasText: `Ln ${line}, Col ${column}` }).waitFor();
}

const eventually = (look, expected, what) =>
  editor.until(look, seen => JSON.stringify(seen) === JSON.stringify(expected), what);

/** The stretches of visible text with a frame around them: what is drawn as a label. */
async function framed(window = editor) {
  const { text, marks } = await window.shades();
  const found = [];
  let start = -1;
  for (let i = 0; i <= text.length; i++) {
    const isFramed = i < text.length && marks[i].border !== null;
    if (isFramed && start < 0) start = i;
    if (!isFramed && start >= 0) {
      found.push(text.slice(start, i));
      start = -1;
    }
  }
  return found;
}

const statusBar = text => editor.page.locator('.statusbar-item', { hasText: text });

/** What the item of label mode says; it is there only while the mode is on. */
const labelMode = text =>
  editor.page.locator('[id="attention-lens.attention-lens.attentionLens.labelMode"]', { hasText: text });

test('a word is labelled by Alt and a digit, a selection by a fuzzy pick', async () => {
  await statusBar('0 labels').waitFor();
  await goTo(1, 2);
  await keys('Alt+1');
  await eventually(framed, ['Maria'], 'a frame around the labelled word');
  await goTo(1, 11);
  await keys('Alt+1');
  await goTo(4, 23);
  for (let i = 0; i < 7; i++) await keys('Shift+ArrowRight'); // "Dr. Lie": a selection is widened to whole words
  await keys('Control+Alt+t');
  await editor.page.locator('.quick-input-widget input').first().fill('pers');
  await editor.page.locator('.quick-input-list .monaco-list-row', { hasText: 'PER' }).waitFor();
  await editor.screenshot('annotation-pick');
  await keys('Enter');
  await eventually(framed, ['Maria', 'Tom', 'Dr. Lie'], 'three labels');
  await eventually(() => stored(), ['PER Maria', 'PER Tom', 'PER Dr. Lie'], 'three labels in the sidecar');
});

test('label mode has single keys, types nothing, and gives every key back when it is left', async () => {
  await goTo(1, 19);
  await keys('Control+Alt+l');
  await labelMode('LABEL').waitFor();
  await keys('2');
  await eventually(framed, ['Maria', 'Tom', 'Oslo', 'Dr. Lie'], 'a label by one key');
  // A key that means nothing, and a text that an input method would insert.
  await keys('q', 'z');
  await editor.page.keyboard.insertText('输入');
  assert((await editor.shades()).text.startsWith('Maria met Tom in Oslo.'), 'label mode typed nothing');
  await keys('x');
  await eventually(framed, ['Maria', 'Tom', 'Dr. Lie'], 'the label taken away');
  await keys('u');
  await eventually(framed, ['Maria', 'Tom', 'Oslo', 'Dr. Lie'], 'the label back by undo of labels');
  await editor.screenshot('annotation-label-mode');
});

test('the same text elsewhere is asked about, one place at a time', async () => {
  await keys('f');
  await labelMode('LOC?').waitFor();
  const suggested = (
    await editor.until(sidecar, all => all.some(({ status }) => status === 'suggested'), 'suggestions')
  ).filter(({ status }) => status === 'suggested');
  const exact = suggested.filter(({ source }) => source === 'exact');
  assert.deepEqual(
    exact.map(({ at }) => at[0].quote),
    ['Oslo', 'Oslo'],
  );
  // Blind first: of all suggestions one is on the screen.
  await editor.until(framed, seen => seen.length === 5, 'four labels and one suggestion');
  await editor.screenshot('annotation-queue');
  await keys('a');
  await editor.until(stored, all => all.filter(name => name === 'LOC Oslo').length === 2, 'the accepted one');
  const [judged] = (await sidecar()).filter(({ source, status }) => source === 'exact' && !status);
  assert.match(judged.shown, /^\d{4}-/, 'what was shown is on record');
  // The rest is refused: none of it may come back.
  for (let left = suggested.length - 1; left > 0; left--) {
    await labelMode(`${left} left`).waitFor();
    await keys('r');
  }
  await editor.until(sidecar, all => !all.some(({ status }) => status === 'suggested'), 'an empty queue');
  await keys('Escape');
  await labelMode('').waitFor({ state: 'hidden' });
  await goTo(1, 1);
  await editor.page.keyboard.type('anpr');
  await editor.until(async () => (await editor.shades()).text.startsWith('anprMaria'), Boolean, 'the keys type again');
  await keys('Control+z');
  await editor.until(async () => (await editor.shades()).text.startsWith('Maria'), Boolean, 'the text as it was');
});

test('a label in Chinese is a word of a dictionary, and the hover says what it is', async () => {
  await goTo(5, 4);
  await keys('Alt+2');
  await editor.until(stored, all => all.includes('LOC 奥斯陆'), 'a word without spaces around it');
  const hover = await editor.hover('Dr. Lie', 'accepted');
  assert.match(hover, /PER Person/);
  assert.match(hover, /looks at most/);
  await editor.screenshot('annotation-hover');
});

const words = ['Maria', 'Tom', 'Oslo', 'Oslo', 'Dr. Lie', '奥斯陆'];

test('labels stay on their words through heavy edits, the save and a reload of the window', async () => {
  await goTo(1, 1);
  await editor.page.keyboard.type('Yesterday and the day before, ');
  await keys('Enter', 'Enter');
  await goTo(4, 1);
  await keys('Alt+ArrowDown'); // moves the second sentence down over the empty line
  await keys('Control+End');
  await editor.page.keyboard.type('PS: Maria sends her best.');
  // A name is replaced everywhere; the label stays on the new one.
  await keys('Control+h');
  const find = editor.page.locator('.find-widget');
  await find.locator('textarea').first().fill('Bergen');
  await find.locator('textarea').nth(1).fill('Trondheim');
  await find.locator('textarea').nth(1).press('Control+Alt+Enter');
  await editor.until(async () => (await editor.shades()).text.includes('Trondheim'), Boolean, 'the replaced name');
  await keys('Escape');
  // Undo and redo of the text do not touch what is labelled.
  await keys('Control+z');
  await editor.until(async () => (await editor.shades()).text.includes('Bergen'), Boolean, 'the undone replacement');
  await keys('Control+y');
  await editor.until(async () => (await editor.shades()).text.includes('Trondheim'), Boolean, 'the redone replacement');
  await eventually(framed, words, 'labels on their words after the edits');
  await keys('Control+s');
  await editor.until(
    () => read('first.txt'),
    text => text.startsWith('Yesterday') && text.includes('Trondheim'),
    'the saved text',
  );
  await editor.until(
    stored,
    all => all.length === words.length && !all.some(name => / (review|orphan)$/.test(name)),
    'anchors',
  );
  await editor.screenshot('annotation-edited');

  await editor.page.reload();
  await editor.page.locator('.explorer-viewlet .monaco-list-row', { hasText: 'coreference.txt' }).waitFor();
  await editor.openFile('letters/first.txt');
  await eventually(framed, words, 'the same labels after the reload');
});

test('a relation is made by keyboard, with the heads that look there beside the choice', async () => {
  await editor.placeCursor('Maria');
  await keys('Control+Alt+l');
  await labelMode('LABEL').waitFor();
  await keys('e');
  await statusBar('Relation from').waitFor();
  await editor.placeCursor('Oslo');
  await keys('e');
  await editor.page.locator('.quick-input-list .monaco-list-row', { hasText: 'lives-in' }).waitFor();
  await editor.screenshot('annotation-relation');
  await keys('Enter');
  await editor.until(
    sidecar,
    all => all.some(({ type, label }) => type === 'relation' && label === 'lives-in'),
    'the relation',
  );
});

test('an approved document makes way for the next, in label mode', async () => {
  await labelMode('LABEL').waitFor();
  await keys('d');
  await editor.page.locator('.tab.active[data-resource-name="second.txt"]').waitFor();
  await labelMode('LABEL').waitFor();
  await statusBar('1/2 documents').waitFor();
  await editor.until(sidecar, all => all.some(({ type }) => type === 'approval'), 'the approval in the sidecar');
  await keys('Escape');
  await labelMode('').waitFor({ state: 'hidden' });
  await editor.openFile('letters/first.txt');
  // Left behind in label mode it would be read-only still.
  await eventually(framed, words, 'the labels of the first document');
});

test('agreement with a rationale is measured while it is marked, beside chance', async () => {
  await goTo(8, 5);
  await editor.run('AttentionLens: Show or Hide Rationale Agreement');
  const agreement = editor.page.locator('[id="attention-lens.attention-lens.attentionLens.rationale"]');
  await agreement.filter({ hasText: 'no rationale here' }).waitFor();
  await goTo(8, 11);
  await keys('Alt+3');
  await agreement.filter({ hasText: /AUPRC [01]\.\d\d \([01]\.\d\d\)/ }).waitFor();
  await agreement.hover();
  await editor.page.locator('.monaco-hover', { hasText: 'by chance' }).waitFor();
  await editor.screenshot('annotation-rationale');
  await goTo(8, 11);
  await keys('Alt+3');
  await agreement.filter({ hasText: 'no rationale here' }).waitFor();
  await editor.run('AttentionLens: Show or Hide Rationale Agreement');
  await agreement.waitFor({ state: 'hidden' });
});

test('an export holds every label, and comes back by import', async () => {
  await editor.run('AttentionLens: Export Annotations');
  await editor.pick('doccano');
  const exported = path.join(editor.workspace, 'out.jsonl');
  await choose(exported);
  const lines = await editor.until(
    () => readFile(exported, 'utf8').catch(() => ''),
    text => text.length > 0,
    'the exported file',
  );
  const { text, entities, label } = JSON.parse(lines.split('\n')[0]);
  const points = [...text];
  const spans = (entities ?? label).map(span =>
    Array.isArray(span)
      ? points.slice(span[0], span[1]).join('')
      : points.slice(span.start_offset, span.end_offset).join(''),
  );
  assert.deepEqual(spans.toSorted(), words.toSorted());

  await editor.placeCursor('Tom');
  await editor.run('AttentionLens: Delete Label');
  await editor.until(stored, all => all.length === words.length - 1, 'one label less');
  await editor.run('AttentionLens: Import Annotations');
  await editor.pick('doccano');
  await choose(exported);
  await editor.until(stored, all => all.length === words.length, 'the label again');
  await eventually(framed, words, 'all labels on their words');
});

test('two annotators are adjudicated by keyboard, and a reload of the window goes on where one was', async () => {
  const gold = async () =>
    (await readFile(path.join(editor.workspace, 'compared/visit.txt@carla.al.jsonl'), 'utf8').catch(() => ''))
      .split('\n')
      .slice(1)
      .filter(Boolean)
      .map(line => JSON.parse(line))
      .map(({ label, at, status, source }) => `${label} ${at[0].quote} ${status ?? source}`);
  const panel = editor.panel();
  const progress = text => panel.locator('.sitting strong', { hasText: text }).waitFor();
  await editor.openFile('compared/visit.txt');
  await editor.run('AttentionLens: Adjudicate Two Annotators');
  await editor.pick('anna');
  const input = editor.page.locator('.quick-input-widget input').first();
  await editor.page.locator('.quick-input-widget', { hasText: 'Who decides between anna and bob?' }).waitFor();
  await input.fill('bob');
  await editor.page.locator('.quick-input-widget', { hasText: 'choose a third name' }).waitFor();
  await input.fill('carla');
  await keys('Enter');
  await progress('0 of 2 decided');
  await panel.locator('article').first().click();
  await editor.until(
    async () => (await editor.shades()).marks.filter(({ outline }) => outline).length,
    count => count === 'Charles Babbage'.length,
    'frames around the name in the editor',
  );
  await editor.screenshot('adjudication');
  await keys('1');
  await progress('1 of 2 decided');
  await eventually(
    gold,
    ['PER Ada Lovelace adjudication', 'PER Charles Babbage adjudication'],
    'the decision and what both agree on in the third sidecar',
  );

  await editor.reload();
  await progress('1 of 2 decided');
  await panel.locator('article[data-focused=true]', { hasText: 'New York City' }).click();
  await keys('2');
  await panel.getByText('Everything is decided, and kept by carla.').waitFor();
  await keys('u', '0');
  await eventually(
    gold,
    ['PER Ada Lovelace adjudication', 'PER Charles Babbage adjudication', 'LOC New York rejected'],
    'the last decision',
  );
  await editor.run('View: Close All Editors');
  await editor.openFile('letters/first.txt');
});

test('two windows on one document do not overwrite each other', async () => {
  const url = process.env.ATTENTIONLENS_WORKBENCH;
  const second = await openWindow(`${url}/?folder=${encodeURIComponent(editor.workspace)}`);
  try {
    await second.openFile('letters/first.txt');
    await second.until(
      () => framed(second),
      seen => seen.length === words.length,
      'the labels in the second window',
    );
    await second.placeCursor('doctor');
    await second.page.keyboard.press('Alt+1');
    await second.until(stored, all => all.includes('PER doctor'), 'the label of the second window');
    await editor.placeCursor('Trondheim');
    await keys('Alt+2');
    const all = await editor.until(stored, seen => seen.includes('LOC Trondheim'), 'the label of the first window');
    assert(all.includes('PER doctor'), 'the other window’s label is still there');
    assert.equal(all.length, words.length + 2);
  } finally {
    await second.closeWindow();
  }
});

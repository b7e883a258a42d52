// The way through all parts: text in the editor -> tints, hover, status; checked against the command line.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { extensionHosts, openEditor, parentOf, serverProcesses } from './lib/editor.mjs';
import { attend, mostTellingHead } from './lib/oracle.mjs';

const paragraph =
  'The trophy would not fit in the suitcase because it was too big. Nobody in the room had measured it before the train left.';

let editor;
/** The layer and head that the tests look at. */
let view;
/** Servers of windows that other tests have closed may take a while to end. */
const others = new Set(serverProcesses());
const ownServers = () => serverProcesses().filter(id => !others.has(id));
before(async () => {
  view = mostTellingHead(paragraph);
  editor = await openEditor({ settings: { 'attentionLens.layer': view.layer, 'attentionLens.head': view.head } });
  await editor.openFile('coreference.txt');
});
after(() => editor?.close());

/** How strong a fill is: its opacity, since a theme's buckets differ in that. */
const strength = fill => Number(/rgba\(.*, ([\d.]+)\)/.exec(fill)?.[1] ?? (fill ? 1 : 0));

/** One fill per token of the paragraph; undefined while it is not tinted at all, or not evenly within a token. */
async function tokenFills(text, tokens) {
  const shades = await editor.shadesOf(text, tokens);
  if (!shades) return undefined;
  const fills = shades.map(marks => [...new Set(marks.map(mark => mark.fill))]);
  return fills.every(fill => fill.length === 1) && fills.some(([fill]) => fill)
    ? fills.map(([fill]) => fill)
    : undefined;
}

/** Stronger attention never has a weaker tint; weights that are close may share a bucket. */
function assertOrdered(tokens, weights, fills) {
  for (let i = 0; i < tokens.length; i++) {
    for (let j = 0; j < tokens.length; j++) {
      if (weights[i] <= weights[j] * 1.001) continue;
      assert(
        strength(fills[i]) >= strength(fills[j]),
        `"${tokens[i].text}" ${weights[i]} is tinted ${fills[i]}, "${tokens[j].text}" ${weights[j]} ${fills[j]}`,
      );
    }
  }
}

/** The fills of the paragraph's tokens once they agree with these weights in rank. */
async function agreeing(text, tokens, weights, what) {
  let problem;
  return editor.until(
    async () => {
      const fills = await tokenFills(text, tokens);
      try {
        if (fills) assertOrdered(tokens, weights, fills);
        problem = undefined;
      } catch (error) {
        problem = error.message;
      }
      return fills && !problem ? fills : { problem };
    },
    fills => Array.isArray(fills),
    what,
  );
}

/** The row of the token in the middle of a word, where `placeCursor` puts the cursor: a word may be several tokens. */
function rowAtMiddle(answer, tokens, word) {
  const offset = paragraph.indexOf(word) + Math.floor(word.length / 2);
  const query = answer.tokens.findIndex(token => !token.special && token.start <= offset && offset < token.end);
  return tokens.map(({ index }) => answer.rows[query][index]);
}

const visible = ({ tokens }) => tokens.flatMap((token, index) => (token.special ? [] : [{ ...token, index }]));

test('Show Attention tints the words of the paragraph, and only them, by attention received', async () => {
  const answer = attend(paragraph, view);
  const tokens = visible(answer);
  await editor.placeCursor('trophy');
  await editor.run('AttentionLens: Show Attention');
  await editor.until(() => tokenFills(paragraph, tokens), Boolean, 'any tints on the paragraph');
  // With the cursor outside of the tinted text it shows what each token receives.
  await editor.placeCursor('Maria');
  const fills = await agreeing(
    paragraph,
    tokens,
    tokens.map(({ index }) => answer.received[index]),
    'tints by attention received',
  );
  const strengths = new Set(fills.filter(Boolean).map(strength));
  assert(strengths.size >= 6, `distinct strengths: ${[...strengths]}`);
  const { text, marks } = await editor.shades();
  const at = text.indexOf(paragraph);
  const outside = marks.filter((mark, i) => (i < at || i >= at + paragraph.length) && mark.fill);
  assert.equal(outside.length, 0, 'nothing outside the paragraph is tinted');
  const between = marks
    .slice(at, at + paragraph.length)
    .filter((mark, i) => mark.fill && !tokens.some(t => i >= t.start && i < t.end));
  assert.equal(between.length, 0, 'nothing between the tokens is tinted');
  await editor.screenshot('tints-received');
});

test('with the cursor on a word the tints are what that word attends to', async () => {
  const answer = attend(paragraph, view);
  const tokens = visible(answer);
  let previous;
  for (const word of ['because', 'suitcase', 'measured']) {
    await editor.placeCursor(word);
    const offset = paragraph.indexOf(word) + Math.floor(word.length / 2);
    const fills = await agreeing(paragraph, tokens, rowAtMiddle(answer, tokens, word), `tints of the row of "${word}"`);
    assert.notDeepEqual(fills, previous, 'another word, other tints');
    previous = fills;
    const [marks] = await editor.shadesOf(paragraph, [
      tokens.find(token => token.start <= offset && offset < token.end),
    ]);
    assert(
      marks.every(mark => mark.outline),
      'the query token is outlined',
    );
  }
  await editor.screenshot('tints-row');
});

test('the hover says the weights that the command line says', async () => {
  const answer = attend(paragraph, view);
  const query = answer.tokens.findIndex(token => !token.special && token.start === paragraph.indexOf('because'));
  const hover = await editor.hover('because', 'because');
  const top = visible(answer)
    .map(({ index, text }) => ({ text, weight: answer.rows[query][index] }))
    .sort((a, b) => b.weight - a.weight);
  await editor.page.waitForTimeout(300); // it fades in
  await editor.screenshot('hover');
  for (const { weight } of top.slice(0, 3)) {
    assert(hover.includes(weight.toFixed(3)), `${weight.toFixed(3)} is not in the hover: ${hover}`);
  }
  await editor.page.keyboard.press('Escape');
});

test('typing a word moves the tints with the text', async () => {
  await editor.placeCursor('Maria');
  await editor.placeCursor('trophy');
  await editor.page.keyboard.press('Control+ArrowRight');
  await editor.page.keyboard.type(' golden');
  const edited = paragraph.replace('trophy', 'trophy golden');
  const answer = attend(edited, view);
  const tokens = visible(answer);
  const offset = edited.indexOf('golden') + 'golden'.length;
  // The cursor stands behind the typed word: the query is the token that it touches, so only that all words are tinted
  // evenly again is asked here, and their rank after the cursor has left.
  await editor.until(() => tokenFills(edited, tokens), Boolean, 'tints on the edited paragraph');
  assert(offset > 0);
  await editor.placeCursor('Maria');
  await agreeing(
    edited,
    tokens,
    tokens.map(({ index }) => answer.received[index]),
    'tints of the edited paragraph',
  );
  await editor.screenshot('tints-typed');
  await editor.placeCursor('trophy');
  for (let i = 0; i < 8; i++) await editor.page.keyboard.press('Control+z');
  await editor.until(async () => (await editor.shades()).text.includes(paragraph), Boolean, 'the text before the edit');
});

test('the status bar says layer and head while attention is shown', async () => {
  await editor.placeCursor('trophy');
  const item = editor.page.locator('.statusbar-item', { hasText: /mean|layer/i });
  await item.first().waitFor();
  await item.first().click();
  await editor.page.locator('.quick-input-widget').waitFor();
  await editor.screenshot('select-head');
  await editor.page.keyboard.press('Escape');
});

test('a killed server comes back, and so do the tints', async () => {
  const before = ownServers();
  assert.equal(before.length, 1, 'one server for one window');
  process.kill(before[0], 'SIGKILL');
  await editor.until(
    () => ownServers(),
    now => now.length === 1 && now[0] !== before[0],
    'another server process',
  );
  await editor.placeCursor('suitcase');
  const answer = attend(paragraph, view);
  const tokens = visible(answer);
  await agreeing(paragraph, tokens, rowAtMiddle(answer, tokens, 'suitcase'), 'tints after the restart');
  await editor.screenshot('after-kill');
});

test('a killed extension host takes its server with it, and its successor shows attention again', async () => {
  const [before] = ownServers();
  const hosts = extensionHosts();
  const host = parentOf(before);
  assert(hosts.includes(host), `the server's parent is ${host}, extensions run in ${hosts}`);
  process.kill(host, 'SIGKILL');
  await editor.until(
    () => ownServers(),
    now => !now.includes(before),
    'the end of the server',
  );
  await editor.until(
    () => extensionHosts(),
    now => now.some(id => !hosts.includes(id)),
    'another extension host',
  );
  // What was shown was the killed process's own knowledge: it is asked for again.
  await editor.placeCursor('suitcase');
  await editor.run('AttentionLens: Show Attention');
  const answer = attend(paragraph, view);
  const tokens = visible(answer);
  await agreeing(paragraph, tokens, rowAtMiddle(answer, tokens, 'suitcase'), 'tints of the next extension host');
  await editor.screenshot('after-kill-of-host');
  const servers = ownServers();
  assert.equal(servers.length, 1, 'one server for one window');
  assert(!hosts.includes(parentOf(servers[0])));
});

test('Clear Attention removes every tint', async () => {
  await editor.run('AttentionLens: Clear Attention');
  await editor.until(
    async () => (await editor.shades()).marks.filter(mark => mark.fill || mark.outline).length,
    count => count === 0,
    'no tint',
  );
});

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdjudicationState, FromAdjudication, ToAdjudication } from '../../../client/shared/adjudication.js';
import type { AdjudicationPair, Annotation } from '../../../client/shared/annotation-protocol.js';
import { AdjudicationSession } from '../../../client/webview/adjudication-session.js';
import { type AdjudicationScenario, installAdjudicationHost } from './adjudication-host.js';
import { launch, openPage, type PanelPage, screenshot, seriousProblems } from './panel-page.js';
import { type ThemeName, themeNames } from './themes.js';

const span = (id: string, label: string, quote: string, line: number, more: Partial<Annotation> = {}): Annotation => ({
  id,
  kind: 'span',
  label,
  state: 'anchored',
  status: 'accepted',
  own: false,
  ranges: [{ start: { line, character: 4 }, end: { line, character: 4 + quote.length } }],
  quote,
  ...more,
});

const pairOf = (
  difference: AdjudicationPair['difference'],
  left?: Annotation,
  right?: Annotation,
  more: Partial<AdjudicationPair> = {},
): AdjudicationPair => ({
  difference,
  choice: 'open',
  stamp: `${left?.id}${right?.id}`,
  ...(left ? { left } : {}),
  ...(right ? { right } : {}),
  ...more,
});

const pairs: readonly AdjudicationPair[] = [
  pairOf('label', span('l1', 'PER', 'Charles Babbage', 0), span('r1', 'ORG', 'Charles Babbage', 0)),
  pairOf('onlyLeft', span('l2', 'ORG', 'International Business Machines Corporation of Armonk', 2)),
  pairOf('extent', span('l3', 'LOC', 'New York', 4), span('r3', 'LOC', 'New York City', 4)),
  pairOf(
    'attributes',
    span('l4', 'LOC', '奥斯陆', 7, { attributes: { certainty: 'sure', note: 'seen on a map' } }),
    span('r4', 'LOC', '奥斯陆', 7, { attributes: { certainty: 'unsure' }, state: 'review' }),
    {
      choice: 'right',
      taken: [span('t4', 'GPE', '奥斯陆', 7)],
    },
  ),
  pairOf('onlyRight', undefined, span('r5', 'PER', '<b>Lie</b> & co', 9)),
  pairOf('onlyLeft', {
    ...span('l6', 'met', 'Ada → Charles Babbage', 0),
    kind: 'relation',
  }),
];

const agreed = [pairOf('none', span('l9', 'PER', 'Ada', 0), span('r9', 'PER', 'Ada', 0), { choice: 'left' })];

/** A session without a page; what it says is in `sent`. */
function sitting(listed = pairs, saved: AdjudicationState | null = null) {
  const sent: FromAdjudication[] = [];
  let state: AdjudicationState | undefined;
  const api = {
    postMessage: (message: FromAdjudication) => sent.push(message),
    getState: () => undefined,
    setState: (next: AdjudicationState) => {
      state = next;
    },
  };
  const target = { uri: 'file:///a.txt', name: 'a.txt', left: 'anna', right: 'bob', into: 'carla' };
  const session = new AdjudicationSession(target, api, saved, () => undefined);
  const answer = (
    now: readonly AdjudicationPair[],
    more: Partial<Extract<ToAdjudication, { type: 'pairs' }>> = {},
    problems?: readonly string[],
  ) =>
    session.receive({
      type: 'pairs',
      isAnswer: true,
      data: { pairs: now, agreed: 0, unwritten: 0, colors: {}, ...(problems ? { problems } : {}) },
      ...more,
    });
  answer(listed, { isAnswer: false });
  return { session, sent, answer, state: () => state };
}

const decisions = (sent: readonly FromAdjudication[]) => sent.filter(message => message.type === 'decide');
const withChoice = (index: number, choice: AdjudicationPair['choice']) =>
  pairs.map((pair, at) => (at === index ? { ...pair, choice } : pair));

describe('a sitting', () => {
  it('begins at the first that is open, decides and goes on, around what is decided', () => {
    const { session, sent } = sitting(pairs.map((pair, index) => (index < 2 ? { ...pair, choice: 'both' } : pair)));
    expect(session.focused?.left?.id).toBe('l3');
    session.decide('both');
    expect(session.focused?.right?.id).toBe('r5');
    expect(session.decided).toBe(4);
    expect(decisions(sent)).toEqual([
      { type: 'decide', decisions: [{ left: 'l3', right: 'r3', choice: 'both', stamp: 'l3r3' }] },
    ]);
    // To decide again what is decided is no reason to leave it.
    session.lookAt(session.pairs[3], true);
    session.decide('left');
    expect(session.focused?.left?.id).toBe('l4');
  });

  it('takes the silence of a side that says nothing', () => {
    const { session, sent } = sitting();
    session.lookAt(pairs[1], true);
    session.decide('right');
    session.lookAt(pairs[4], true);
    session.decide('both');
    expect(decisions(sent).map(({ decisions }) => decisions[0]?.choice)).toEqual(['neither', 'right']);
  });

  it('moves by rows and stays in the list', () => {
    const { session } = sitting();
    session.move(2);
    expect(session.focused?.left?.id).toBe('l3');
    session.move(Number.POSITIVE_INFINITY);
    expect(session.focused?.left?.id).toBe('l6');
    session.move(-100);
    expect(session.focused?.left?.id).toBe('l1');
  });

  it('takes a step back with all that it drew along, also over a reload', () => {
    const { session, sent, answer, state } = sitting();
    session.decide('neither');
    const changed = [
      { left: 'l1', right: 'r1', choice: 'open' as const },
      { left: 'l6', choice: 'left' as const },
    ];
    answer(withChoice(0, 'neither'), { changed });
    const again = sitting(withChoice(0, 'neither'), state() ?? null);
    for (const { session: one, sent: said } of [{ session, sent }, again]) {
      one.takeBack();
      expect(said.findLast(({ type }) => type === 'decide')).toEqual({ type: 'decide', decisions: changed });
      expect(one.focused?.left?.id).toBe('l1');
      expect(one.canUndo).toBe(false);
    }
  });

  it('shows a decision at once and takes it off again where it could not be written', () => {
    const { session, answer } = sitting();
    session.decide('left');
    session.decide('left');
    expect(session.pairs.slice(0, 2).map(pair => session.choiceOf(pair))).toEqual(['left', 'left']);
    answer(withChoice(0, 'left'), { changed: [{ left: 'l1', right: 'r1', choice: 'open' }] });
    session.receive({ type: 'failed', isAnswer: true, message: 'The folder is read-only.' });
    expect(session.pairs.slice(0, 2).map(pair => session.choiceOf(pair))).toEqual(['left', 'open']);
    expect(session.focused?.left?.id).toBe('l2');
    expect(session.notices).toEqual(['The folder is read-only.']);
    session.takeBack();
    expect(session.canUndo).toBe(false);
  });

  it('comes back to what was refused, and says why until the next decision', () => {
    const { session, answer } = sitting();
    session.decide('both');
    answer(pairs, { changed: [] }, ['Not allowed.']);
    answer(pairs, { isAnswer: false });
    expect(session.focused?.left?.id).toBe('l1');
    expect(session.notices).toEqual(['Not allowed.']);
    expect(session.canUndo).toBe(false);
    session.decide('left');
    answer(withChoice(0, 'left'), { changed: [{ left: 'l1', right: 'r1', choice: 'open' }] });
    expect(session.notices).toEqual([]);
  });

  it('keeps a step that could not be taken back', () => {
    const { session, answer } = sitting();
    session.decide('left');
    answer(withChoice(0, 'left'), { changed: [{ left: 'l1', right: 'r1', choice: 'open' }] });
    session.takeBack();
    session.receive({ type: 'failed', isAnswer: true, message: 'The folder is read-only.' });
    expect(session.canUndo).toBe(true);
  });

  it('looks at the neighbour of a pair that is gone', () => {
    const { session, answer } = sitting();
    session.lookAt(pairs[2], true);
    answer(
      pairs.filter((_, index) => index !== 2),
      { isAnswer: false },
    );
    expect(session.focused?.left?.id).toBe('l4');
  });
});

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const open = (
  scenario: Partial<AdjudicationScenario> = {},
  theme: ThemeName = 'dark',
  size = { width: 760, height: 720 },
) =>
  openPage(
    browser,
    'adjudication',
    page => page.addInitScript(installAdjudicationHost, { pairs, agreed, ...scenario }),
    theme,
    size,
  );

const focused = (page: PanelPage) => page.locator('article[data-focused=true]');
const progress = (page: PanelPage, text: string) => page.locator('.sitting strong', { hasText: text }).waitFor();

describe('the adjudication panel', () => {
  it.each(themeNames)('shows both sides and how they differ in the %s theme', async theme => {
    const page = await open({}, theme);
    await progress(page, '1 of 6 decided');
    await page.keyboard.press('2');
    await page.keyboard.press('0');
    await progress(page, '3 of 6 decided');
    expect(await page.locator('article').count()).toBe(6);
    expect(await page.locator('article').nth(2).locator('mark').allInnerTexts()).toEqual([' City']);
    // Text of a document is text.
    expect(await page.getByText('<b>Lie</b> & co').count()).toBe(1);
    expect(await page.locator('article').nth(3).locator('.otherwise').innerText()).toContain('carla has GPE “奥斯陆”');
    await screenshot(page, `adjudication-${theme}`);
    expect(await seriousProblems(page)).toEqual([]);
    expect(page.problems).toEqual([]);
    await page.close();
  });

  it('is worked by the keyboard alone', async () => {
    const page = await open();
    await progress(page, '1 of 6 decided');
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await press('ArrowRight');
    await page.locator('article[data-choice=right]').first().waitFor();
    expect(await focused(page).getAttribute('aria-posinset')).toBe('2');
    await press('j', 'j', 'k', 'ArrowDown', 'ArrowDown');
    expect(await focused(page).getAttribute('aria-posinset')).toBe('5');
    await press('3');
    await page.locator('article[aria-posinset="5"][data-choice=right]').waitFor();
    await press('n', 'ArrowLeft');
    await progress(page, '4 of 6 decided');
    await press('u', 'u');
    await progress(page, '2 of 6 decided');
    // Tab goes to the buttons of the row, and Space presses them; the row in focus is in the editor.
    await focused(page).focus();
    await press('Tab', 'Space');
    await progress(page, '3 of 6 decided');
    const looked = await page.evaluate(() =>
      window.adjudicationHost.sent.filter(message => message.type === 'focus' && message.isRevealed),
    );
    expect(looked.at(-1)).toEqual({ type: 'focus', id: { left: 'l6' }, isRevealed: true });
    await page.close();
  });

  it('is worked by the mouse, and a menu decides all that is open', async () => {
    const page = await open();
    await progress(page, '1 of 6 decided');
    await page.locator('article').nth(2).getByRole('button', { name: 'both' }).click();
    await page.locator('article').nth(2).locator('button[aria-pressed=true]', { hasText: 'both' }).waitFor();
    await page.locator('.toolbar select').selectOption('left');
    await progress(page, '6 of 6 decided');
    await page.getByText('Everything is decided, and kept by carla.').waitFor();
    await screenshot(page, 'adjudication-done');
    await page.getByRole('button', { name: 'Undo' }).click();
    await progress(page, '2 of 6 decided');
    await page.getByLabel('Show Agreed (1)').check();
    await page.locator('article[data-difference=none]').waitFor();
    await progress(page, '2 of 6 decided');
    await page.close();
  });

  it.each([
    ['failed', 'The annotations could not be written: the folder is read-only.'],
    ['refused', 'LOC “New York” lies inside LOC “New York City”, which neither label allows.'],
  ] as const)('says why a decision has %s, and looks at it again', async (how, sentence) => {
    const page = await open({ decisions: how });
    await progress(page, '1 of 6 decided');
    await page.keyboard.press('1');
    await page.locator('.banner', { hasText: sentence }).waitFor();
    await progress(page, '1 of 6 decided');
    expect(await focused(page).getAttribute('aria-posinset')).toBe('1');
    await screenshot(page, `adjudication-${how}`);
    await page.close();
  });

  it('says when there is nothing to decide, and takes over what both agree on', async () => {
    const page = await open({ pairs: [], unwritten: 1 });
    await page.getByText('anna and bob agree in all their labels (1).').waitFor();
    await screenshot(page, 'adjudication-agreed');
    expect(await seriousProblems(page)).toEqual([]);
    await page.getByRole('button', { name: 'Take Over for carla' }).click();
    expect(await page.evaluate(() => window.adjudicationHost.sent.filter(({ type }) => type === 'decide'))).toEqual([
      { type: 'decide', decisions: [] },
    ]);
    await page.close();
  });

  it('fails in a sentence, and tries again', async () => {
    const page = await open({ failure: 'letter.txt could not be opened: it has been moved or deleted.' });
    await page.getByText('letter.txt could not be opened').waitFor();
    await screenshot(page, 'adjudication-failure');
    expect(await seriousProblems(page)).toEqual([]);
    await page.getByRole('button', { name: 'Try Again' }).click();
    expect(await page.evaluate(() => window.adjudicationHost.sent.at(-1)?.type)).toBe('refresh');
    await page.close();
  });

  it('comes back after a reload where it was', async () => {
    const first = await open();
    await progress(first, '1 of 6 decided');
    await first.keyboard.press('End');
    await first.getByLabel('Show Agreed (1)').check();
    await first.locator('article[data-difference=none]').waitFor();
    const state = await first.evaluate(() => window.adjudicationHost.state());
    await first.close();
    const second = await open({ state });
    await second.locator('article[data-difference=none]').waitFor();
    expect(await focused(second).getAttribute('aria-posinset')).toBe('6');
    await second.close();
  });

  it('stays legible in a narrow panel', async () => {
    const page = await open({}, 'light', { width: 340, height: 720 });
    await progress(page, '1 of 6 decided');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(340);
    await screenshot(page, 'adjudication-narrow');
    await page.close();
  });
});

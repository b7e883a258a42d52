import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ToAdjudication } from '../../../client/shared/adjudication.js';

// The extension host's side of the panel, in front of a window that is only as much of one as it needs.
const { host } = vi.hoisted(() => {
  class Emitter<T> {
    private readonly listeners: ((value: T) => void)[] = [];
    readonly event = (listener: (value: T) => void) => {
      this.listeners.push(listener);
      return { dispose: () => undefined };
    };
    fire(value: T): void {
      for (const listener of this.listeners) listener(value);
    }
  }
  const document = { uri: { path: '/a/story.txt', toString: () => 'file:///a/story.txt' }, version: 3 };
  const makePanel = () => {
    const [received, disposed, changed] = [new Emitter<unknown>(), new Emitter<void>(), new Emitter<void>()];
    const posted: ToAdjudication[] = [];
    return {
      posted,
      received,
      disposed,
      changed,
      visible: true,
      active: true,
      viewColumn: 2,
      iconPath: undefined as unknown,
      reveal: () => undefined,
      dispose: () => undefined,
      onDidDispose: disposed.event,
      onDidChangeViewState: changed.event,
      webview: {
        options: {},
        html: '',
        cspSource: 'self',
        asWebviewUri: (uri: unknown) => uri,
        onDidReceiveMessage: received.event,
        postMessage: (message: ToAdjudication) => posted.push(message),
      },
    };
  };
  return {
    host: {
      Emitter,
      document,
      makePanel,
      panels: [] as ReturnType<typeof makePanel>[],
      editors: [] as { document: typeof document; setDecorations: unknown; revealRange: unknown }[],
      opened: [] as unknown[],
      picks: [] as { title: string; labels: string[] }[],
      validate: undefined as ((name: string) => string | undefined) | undefined,
      proposed: undefined as string | undefined,
      into: 'carla',
      selection: new Emitter<unknown>(),
    },
  };
});

vi.mock('vscode', () => ({
  ViewColumn: { One: 1, Beside: -2 },
  TextEditorRevealType: { InCenterIfOutsideViewport: 2 },
  CancellationError: class extends Error {},
  Disposable: {
    from: (...all: { dispose(): void }[]) => ({
      dispose: () => {
        for (const one of all) one.dispose();
      },
    }),
  },
  Uri: {
    parse: () => host.document.uri,
    joinPath: (base: { path: string }, ...parts: string[]) => ({ path: [base.path, ...parts].join('/') }),
  },
  env: { language: 'en' },
  l10n: {
    t: (text: string, ...values: unknown[]) =>
      text.replace(/\{(\d+)\}/g, (_, index: string) => String(values[Number(index)])),
  },
  workspace: { openTextDocument: async () => host.document },
  window: {
    get visibleTextEditors() {
      return host.editors;
    },
    registerWebviewPanelSerializer: () => ({ dispose: () => undefined }),
    onDidChangeTextEditorSelection: host.selection.event,
    createWebviewPanel: () => {
      const panel = host.makePanel();
      host.panels.push(panel);
      return panel;
    },
    showTextDocument: async (_: unknown, options: unknown) => host.opened.push(options),
    showQuickPick: async (items: { label: string }[], { title }: { title: string }) => {
      host.picks.push({ title, labels: items.map(({ label }) => label) });
      return items[0];
    },
    showInputBox: async (options: { value: string; validateInput: (name: string) => string | undefined }) => {
      host.validate = options.validateInput;
      host.proposed = options.value;
      return host.into;
    },
  },
}));
vi.mock('../../../client/src/server.js', () => ({ ServerError: class extends Error {} }));
vi.mock('../../../client/src/comparison-picker.js', () => ({ nameOf: () => 'story.txt' }));
vi.mock('../../../client/src/tint-decorations.js', () => ({
  outline: (color: string) => ({ color, dispose: () => undefined }),
  toRange: (range: unknown) => ({ ...(range as object), union: (other: unknown) => other }),
}));
vi.mock('../../../client/src/annotations/labeller.js', () => ({ labelledEditor: () => ({ document: host.document }) }));
vi.mock('../../../client/src/annotations/label-decorations.js', () => ({ colorOf: () => 'blue' }));
vi.mock('../../../client/src/annotations/annotations.js', () => ({ isAnnotatable: () => true }));

const { Adjudications } = await import('../../../client/src/annotations/adjudication.js');

const annotation = (annotator: string | undefined, source?: string, status = 'accepted') => ({
  ...{ id: 'x', kind: 'span', label: 'PER', state: 'anchored', status, own: false, ranges: [], quote: 'Ada' },
  ...(annotator ? { annotator } : {}),
  ...(source ? { source } : {}),
});
const range = { start: { line: 0, character: 0 }, end: { line: 0, character: 3 } };
const pair = {
  ...{ difference: 'onlyLeft', choice: 'open', stamp: 's' },
  left: { ...annotation('anna'), id: 'l', ranges: [range] },
};

let labelled: ReturnType<typeof annotation>[];
let asked: {
  method: string;
  params: Record<string, unknown>;
  answer: (result?: object) => void;
  fail: (e: Error) => void;
}[];
let changed = new host.Emitter<unknown>();

const start = () => {
  const annotations = {
    onDidChange: changed.event,
    of: () => ({ labels: { spans: [], relations: [], documents: [] } }),
    load: async () => ({ annotations: labelled, annotator: undefined, labels: { spans: [] } }),
    ask: (method: string, params: Record<string, unknown>) =>
      new Promise((resolve, reject) => {
        const answer = (more: object = {}) =>
          resolve({ status: 'ok', version: 3, pairs: [pair], agreed: 1, unwritten: 1, ...more });
        asked.push({ method, params, answer, fail: reject });
      }),
  };
  const server = { onDidRun: () => ({ dispose: () => undefined }), log: { warn: vi.fn(), error: vi.fn() } };
  return new Adjudications({ path: '/x' } as never, server as never, annotations as never);
};

/** Lets everything go on that waits for nothing outside. */
const settle = () => new Promise(resolve => setImmediate(resolve));

async function opened() {
  const adjudications = start();
  await adjudications.open();
  const panel = host.panels[0] ?? host.makePanel();
  panel.received.fire({ type: 'ready', isAgreedShown: false });
  await settle();
  asked[0]?.answer();
  await settle();
  return { adjudications, panel };
}

beforeEach(() => {
  labelled = [
    annotation('bob'),
    annotation('anna'),
    annotation('gold', 'adjudication'),
    annotation('dora', undefined, 'suggested'),
  ];
  asked = [];
  changed = new host.Emitter();
  host.panels.length = 0;
  host.editors.length = 0;
  host.opened.length = 0;
  host.picks.length = 0;
  host.into = 'carla';
});

describe('the command', () => {
  it('asks for two of those who have labels, and for a third who is neither', async () => {
    await opened();
    expect(host.picks.map(({ labels }) => labels)).toEqual([
      ['anna', 'bob', 'gold'],
      ['bob', 'gold'],
    ]);
    expect(host.proposed).toBe('');
    expect(
      ['ANNA', 'bob', 'a b', '../x', 'x'.repeat(65), '𝒳', '', 'carla', '小明'].map(
        name => host.validate?.(name) === undefined,
      ),
    ).toEqual([false, false, false, false, false, false, true, true, true]);
    expect(asked[0]).toMatchObject({
      method: 'attentionLens/adjudication',
      params: {
        textDocument: { uri: 'file:///a/story.txt' },
        left: 'anna',
        right: 'bob',
        into: 'carla',
        agreed: false,
      },
    });
  });

  it('asks no more than it has to, and says what is missing', async () => {
    labelled = [annotation('bob'), annotation(undefined)];
    host.into = 'carla';
    await opened();
    expect(host.picks).toHaveLength(1);
    // The one without a name is a side here, and so no proposal for the third.
    expect(host.proposed).toBe('adjudicated');
    expect(asked[0]?.params).not.toHaveProperty('left');
    labelled = [annotation('bob')];
    await expect(start().open()).rejects.toThrow('Two annotators must have labels');
  });
});

describe('the panel', () => {
  it('sends decisions one after the other, and a failure is an answer', async () => {
    const { panel } = await opened();
    expect(panel.posted.map(({ type }) => type)).toEqual(['init', 'pairs']);
    for (const choice of ['left', 'neither'])
      panel.received.fire({ type: 'decide', decisions: [{ left: 'l', choice, stamp: 's' }] });
    await settle();
    expect(asked).toHaveLength(2);
    asked[1]?.fail(new Error('The folder is read-only.'));
    await settle();
    expect(panel.posted.at(-1)).toEqual({ type: 'failed', isAnswer: true, message: 'The folder is read-only.' });
    expect(asked[2]).toMatchObject({
      method: 'attentionLens/adjudicate',
      params: { decisions: [{ choice: 'neither' }] },
    });
    asked[2]?.answer({ changed: [{ left: 'l', choice: 'open' }] });
    await settle();
    expect(panel.posted.at(-1)).toMatchObject({
      type: 'pairs',
      isAnswer: true,
      changed: [{ left: 'l', choice: 'open' }],
    });
  });

  it('asks again once for many changes, and not while it is hidden', async () => {
    const { panel } = await opened();
    for (let i = 0; i < 5; i++) changed.fire(host.document.uri);
    await settle();
    expect(asked).toHaveLength(2);
    asked[1]?.answer();
    await settle();
    panel.visible = false;
    panel.changed.fire();
    changed.fire(host.document.uri);
    await settle();
    expect(asked).toHaveLength(2);
  });

  it('frames the pair in the editor, which it opens if need be, and nothing of another version', async () => {
    const { panel } = await opened();
    panel.received.fire({ type: 'focus', id: { left: 'l' }, isRevealed: true });
    await settle();
    expect(host.opened).toEqual([{ viewColumn: 1, preserveFocus: true, preview: false }]);
    const [setDecorations, revealRange] = [vi.fn(), vi.fn()];
    host.editors.push({ document: host.document, setDecorations, revealRange });
    panel.received.fire({ type: 'focus', id: { left: 'l' }, isRevealed: true });
    await settle();
    expect(setDecorations.mock.calls.map(([, ranges]) => ranges.length)).toEqual([1, 0]);
    expect(revealRange).toHaveBeenCalledTimes(1);
    host.document.version++;
    panel.received.fire({ type: 'focus', id: { left: 'l' }, isRevealed: false });
    await settle();
    host.document.version--;
    expect(setDecorations).toHaveBeenCalledTimes(2);
  });

  it('comes back after a reload of the window, and an unknown state is no panel', async () => {
    const adjudications = start();
    const panel = host.makePanel();
    const target = { uri: 'file:///a/story.txt', name: 'story.txt', left: 'anna', right: 'bob', into: 'carla' };
    await adjudications.deserializeWebviewPanel(panel as never, { target, undo: [], isAgreedShown: true });
    panel.received.fire({ type: 'ready', isAgreedShown: true });
    await settle();
    expect(panel.posted[0]).toMatchObject({ type: 'init', target });
    expect(asked[0]?.params).toMatchObject({ into: 'carla', agreed: true });
    const stranger = Object.assign(host.makePanel(), { dispose: vi.fn() });
    await adjudications.deserializeWebviewPanel(stranger as never, { target: { uri: 1 } });
    expect(stranger.dispose).toHaveBeenCalled();
  });
});

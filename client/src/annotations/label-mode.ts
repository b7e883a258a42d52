import * as vscode from 'vscode';
import type { Annotations } from './annotations.js';
import { type Labeller, labelledEditor } from './labeller.js';
import type { SuggestionQueue } from './suggestion-queue.js';

const contextKey = 'attentionLens.labelMode';

/**
 * Single keys instead of text. While it is on, the document cannot be edited in this window: a key that means nothing here
 * types nothing, and neither does an input method for Chinese or Japanese, which no key binding sees.
 */
export class LabelMode implements vscode.Disposable {
  private readonly documents = new Set<string>();
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];

  readonly onDidChange = this.changed.event;

  constructor(
    private readonly annotations: Annotations,
    private readonly labeller: Labeller,
    private readonly queue: SuggestionQueue,
    private readonly approveAndGoOn: () => Promise<void>,
  ) {
    this.subscriptions = [
      this.changed,
      vscode.window.onDidChangeActiveTextEditor(() => this.update()),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => {
        if (this.documents.delete(uri.toString())) this.update();
      }),
    ];
  }

  get isOn(): boolean {
    const editor = vscode.window.activeTextEditor;
    return editor !== undefined && this.documents.has(editor.document.uri.toString());
  }

  async enter(): Promise<void> {
    const { document } = labelledEditor();
    await this.annotations.load(document);
    if (this.isOn) return;
    this.documents.add(document.uri.toString());
    await vscode.commands.executeCommand('workbench.action.files.setActiveEditorReadonlyInSession');
    this.update();
  }

  async leave(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (!editor || !this.documents.delete(editor.document.uri.toString())) return;
    this.queue.leave();
    await vscode.commands.executeCommand('workbench.action.files.resetActiveEditorReadonlyInSession');
    this.update();
  }

  async toggle(): Promise<void> {
    if (this.isOn) await this.leave();
    else await this.enter();
  }

  /** One key of the mode. Keys of the label set go before the mode's own letters. */
  async press(key: string): Promise<void> {
    const { document } = labelledEditor();
    const { labels } = await this.annotations.load(document);
    const label = labels.spans.find(item => item.key === key);
    if (label) return this.labeller.label(label.name);
    const { queue, labeller } = this;
    const actions: Record<string, () => Promise<unknown>> = {
      n: () => queue.go('suggestion'),
      p: () => queue.go('suggestion', true),
      a: () => queue.judge(true),
      r: () => queue.judge(false),
      s: () => queue.go('suggestion'),
      v: () => queue.go('review'),
      o: () => queue.go('orphan'),
      b: () => queue.go('unlabelled'),
      f: () => queue.findSimilar(),
      c: () => queue.checkConsistency(),
      e: () => labeller.relate(),
      t: () => labeller.editAttributes(),
      m: () => labeller.labelDocument(),
      x: () => labeller.remove(),
      '.': () => labeller.repeat(),
      ']': () => labeller.resize('end', true),
      '[': () => labeller.resize('end', false),
      '}': () => labeller.resize('start', false),
      '{': () => labeller.resize('start', true),
      l: () => labeller.pickLabel(),
      d: () => this.approveAndGoOn(),
      u: () => labeller.history(false),
      y: () => labeller.history(true),
      h: () => this.explain(labels.spans.flatMap(({ key: own, name }) => (own ? [[own, name] as const] : []))),
    };
    if (actions[key]) await actions[key]();
    else if (/^[1-9]$/.test(key)) await labeller.labelWith(Number(key));
  }

  private async explain(own: readonly (readonly [key: string, name: string])[]): Promise<void> {
    const rows: readonly (readonly [string, string])[] = [
      ...own,
      ['1 … 9', vscode.l10n.t('label with the label of that number')],
      ['l', vscode.l10n.t('choose a label')],
      ['.', vscode.l10n.t('the last label again')],
      ['x', vscode.l10n.t('take the label away')],
      ['] [', vscode.l10n.t('move the end out, in')],
      ['{ }', vscode.l10n.t('move the start out, in')],
      ['n p', vscode.l10n.t('next, previous suggestion')],
      ['a r s', vscode.l10n.t('accept, reject, skip')],
      ['f', vscode.l10n.t('find text like this label')],
      ['c', vscode.l10n.t('check for labelled here, not labelled there')],
      ['v o b', vscode.l10n.t('next to review, orphan, part without a label')],
      ['e', vscode.l10n.t('relation: once on each span')],
      ['t', vscode.l10n.t('attributes and note')],
      ['m', vscode.l10n.t('label of the document')],
      ['d', vscode.l10n.t('approve the document and go to the next')],
      ['u y', vscode.l10n.t('undo, redo of labels')],
      ['Esc', vscode.l10n.t('leave label mode')],
    ];
    await vscode.window.showQuickPick(
      rows.map(([key, words]) => ({ label: key, description: words })),
      { title: vscode.l10n.t('Keys of label mode'), matchOnDescription: true },
    );
  }

  private update(): void {
    void vscode.commands.executeCommand('setContext', contextKey, this.isOn);
    this.changed.fire();
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

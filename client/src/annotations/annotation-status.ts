import * as vscode from 'vscode';
import type { Annotations } from './annotations.js';
import type { Corpus } from './corpus.js';
import type { LabelMode } from './label-mode.js';
import { labelsOf } from './label-words.js';
import type { SuggestionQueue } from './suggestion-queue.js';

/** Says in the status bar whether keys label or type, how far the document and the corpus are, and what is being asked. */
export class AnnotationStatus implements vscode.Disposable {
  private readonly mode = vscode.window.createStatusBarItem(
    'attentionLens.labelMode',
    vscode.StatusBarAlignment.Left,
    1000,
  );
  private readonly progress = vscode.window.createStatusBarItem(
    'attentionLens.annotations',
    vscode.StatusBarAlignment.Right,
    89,
  );
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly annotations: Annotations,
    private readonly corpus: Corpus,
    private readonly labelMode: LabelMode,
    private readonly queue: SuggestionQueue,
  ) {
    this.mode.name = vscode.l10n.t('Label mode');
    this.mode.command = 'attentionLens.toggleLabelMode';
    this.mode.backgroundColor = new vscode.ThemeColor('statusBarItem.warningBackground');
    this.progress.name = vscode.l10n.t('Annotations');
    this.progress.command = 'attentionLens.annotations.focus';
    const update = () => this.update();
    this.subscriptions = [
      this.mode,
      this.progress,
      annotations.onDidChange(update),
      corpus.onDidChange(update),
      labelMode.onDidChange(update),
      queue.onDidMove(update),
      vscode.window.onDidChangeActiveTextEditor(update),
    ];
    update();
  }

  private update(): void {
    const editor = vscode.window.activeTextEditor;
    const { suggestion } = this.queue;
    if (this.labelMode.isOn) {
      this.mode.text = suggestion
        ? `$(tag) ${vscode.l10n.t('{0}? a yes, r no, s skip · {1} left', suggestion.label, this.queue.left)}`
        : `$(tag) ${vscode.l10n.t('LABEL · h keys · Esc leaves')}`;
      this.mode.tooltip = vscode.l10n.t(
        'Keys label instead of typing. Escape, or a click here, goes back to the text.',
      );
      this.mode.show();
    } else this.mode.hide();

    const result = editor && this.annotations.of(editor.document.uri);
    const isWorthIt = result && (result.annotations.length > 0 || result.approved || result.labels.path !== undefined);
    if (!isWorthIt) {
      this.progress.hide();
      return;
    }
    const own = result.annotations.filter(annotation => annotation.own && annotation.kind !== 'relation');
    const count = (test: (annotation: (typeof own)[number]) => boolean) => own.filter(test).length;
    const accepted = count(({ status }) => status === 'accepted');
    const suggested = count(({ status }) => status === 'suggested');
    const doubtful = count(({ status, state }) => status === 'accepted' && state !== 'anchored');
    const { documents } = this.corpus;
    const approved = documents.filter(document => document.approved).length;
    const parts = [labelsOf(accepted)];
    if (suggested > 0) parts.push(vscode.l10n.t('{0} suggested', suggested));
    if (doubtful > 0) parts.push(vscode.l10n.t('{0} to review', doubtful));
    if (documents.length === 1) parts.push(vscode.l10n.t('{0}/1 document', approved));
    else if (documents.length > 1) parts.push(vscode.l10n.t('{0}/{1} documents', approved, documents.length));
    const problems = [...(result.problems ?? []), ...(result.labels.problems ?? [])];
    this.progress.text = `${problems.length > 0 ? '$(warning)' : result.approved ? '$(pass-filled)' : '$(tag)'} ${parts.join(' · ')}`;
    this.progress.tooltip = [
      result.approved
        ? vscode.l10n.t('This document is approved.')
        : vscode.l10n.t('This document is not approved yet.'),
      ...problems,
    ].join('\n');
    this.progress.accessibilityInformation = { label: parts.join(', ') };
    this.progress.show();
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

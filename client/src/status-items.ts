import * as vscode from 'vscode';
import type { ModelSummary, ServerStatus, TintsResult, View } from '../shared/protocol.js';
import type { CurrentView } from './current-view.js';
import { documentSelector, type Server } from './server.js';
import type { ShownTexts } from './shown-texts.js';
import type { Tints } from './tints.js';
import { viewLabel } from './view-words.js';

/**
 * Says model, layer and head: in the language status always, in the status bar only while the active editor
 * shows attention.
 */
export class StatusItems implements vscode.Disposable {
  private readonly language = vscode.languages.createLanguageStatusItem('attentionLens', documentSelector);
  private readonly bar = vscode.window.createStatusBarItem('attentionLens.view', vscode.StatusBarAlignment.Right, 90);
  private readonly subscriptions: vscode.Disposable[];
  private status: ServerStatus = { health: 'ok', busy: false };
  private notice: string | undefined;
  private resolved: TintsResult | undefined;

  constructor(
    server: Server,
    tints: Tints,
    private readonly shown: ShownTexts,
    private readonly view: CurrentView,
  ) {
    this.language.name = 'AttentionLens';
    this.bar.name = 'AttentionLens';
    this.language.command = { command: 'attentionLens.selectHead', title: vscode.l10n.t('Select layer and head') };
    this.bar.command = 'attentionLens.selectHead';
    this.subscriptions = [
      this.language,
      this.bar,
      server.onDidReport(status => {
        this.status = status;
        this.update();
      }),
      tints.onDidAnswer(({ editor, results }) => {
        if (editor !== vscode.window.activeTextEditor) return;
        this.resolved = results.find(result => result.model) ?? this.resolved;
        this.notice = results.find(result => result.status !== 'ok')?.message;
        this.update();
      }),
      shown.onDidChange(() => this.update()),
      view.onDidChange(() => this.update()),
      vscode.window.onDidChangeActiveTextEditor(() => this.update()),
    ];
    this.update();
  }

  get model(): ModelSummary | undefined {
    return this.status.model;
  }

  /** What has come of a choice that was left to the server. */
  get resolvedView(): View | undefined {
    return this.resolved?.view;
  }

  /** A failure that stands until the next good answer. */
  fail(message: string): void {
    this.notice = message;
    this.update();
  }

  private update(): void {
    const view = viewLabel(this.view.value, this.resolved?.view);
    const model = this.status.model?.name ?? this.resolved?.model;
    const message = this.status.health === 'ok' ? this.notice : (this.status.message ?? this.notice);
    this.language.text = model ? `${model} · ${view}` : view;
    const special = this.resolved && specialWords(this.resolved);
    this.language.detail = message ?? special ?? vscode.l10n.t('AttentionLens');
    this.language.busy = this.status.busy;
    this.language.severity =
      this.status.health === 'error'
        ? vscode.LanguageStatusSeverity.Error
        : message
          ? vscode.LanguageStatusSeverity.Warning
          : vscode.LanguageStatusSeverity.Information;

    const editor = vscode.window.activeTextEditor;
    const isActive = editor !== undefined && this.shown.of(editor.document.uri).length > 0;
    this.bar.text = `${message ? '$(warning)' : '$(eye)'} ${view}`;
    this.bar.tooltip = [
      model && vscode.l10n.t('AttentionLens: {0}', model),
      this.resolved?.about && vscode.l10n.t('Explained: {0}', this.resolved.about),
      vscode.l10n.t('Numbers count from 0'),
      special,
      message,
    ]
      .filter(Boolean)
      .join('\n');
    this.bar.accessibilityInformation = { label: vscode.l10n.t('AttentionLens shows {0}', view) };
    if (isActive) this.bar.show();
    else this.bar.hide();
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

/** What has become of the special tokens and of the attention sink: tints without that sentence could mean three things. */
function specialWords({ special, specialMass }: TintsResult): string {
  const percent = Math.round(specialMass * 100);
  switch (special) {
    case 'hidden':
      return vscode.l10n.t('Special tokens are hidden; they hold {0}% of the attention.', percent);
    case 'shown':
      return vscode.l10n.t('Special tokens count; they hold {0}% of the attention.', percent);
    case 'renormalized':
      return vscode.l10n.t('Special tokens held {0}% of the attention; the rest is scaled up to all of it.', percent);
  }
}

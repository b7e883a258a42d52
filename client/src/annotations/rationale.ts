import * as vscode from 'vscode';
import type { Measure, RationaleResult } from '../../shared/annotation-protocol.js';
import type { CurrentView } from '../current-view.js';
import type { Server } from '../server.js';
import { ServerError } from '../server.js';
import { annotationSettings } from '../settings.js';
import { plain } from '../shown-texts.js';
import { toRange } from '../tint-decorations.js';
import { viewLabel } from '../view-words.js';
import { type Annotations, isAnnotatable } from './annotations.js';
import { labelledEditor } from './labeller.js';

/** The cursor rests this long before its segment is measured (ms). */
const delay = 250;

/** While it is on: how far the model's weights point at the annotator's rationale, in the segment at the cursor. */
export class RationaleAgreement implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem(
    'attentionLens.rationale',
    vscode.StatusBarAlignment.Right,
    88,
  );
  private readonly strongest = vscode.window.createTextEditorDecorationType({
    borderColor: new vscode.ThemeColor('attentionLens.keyBorder'),
    borderStyle: 'dashed',
    borderWidth: '0 0 2px 0',
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly subscriptions: vscode.Disposable[];
  private isOn = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly server: Server,
    private readonly annotations: Annotations,
    private readonly view: CurrentView,
  ) {
    this.item.name = vscode.l10n.t('Rationale agreement');
    this.item.command = 'attentionLens.compareRationaleMethods';
    this.subscriptions = [
      this.item,
      this.strongest,
      annotations.onDidChange(() => this.later()),
      view.onDidChange(() => this.later()),
      vscode.window.onDidChangeTextEditorSelection(() => this.later()),
      vscode.window.onDidChangeActiveTextEditor(() => this.later()),
    ];
  }

  async toggle(): Promise<void> {
    this.isOn = !this.isOn;
    if (this.isOn) await this.annotations.load(labelledEditor().document);
    await this.measure();
  }

  /** One row per method, so that none is praised alone; choosing one shows it everywhere. */
  async compare(): Promise<void> {
    const { document, selection } = labelledEditor();
    await this.annotations.load(document);
    const source = new vscode.CancellationTokenSource();
    try {
      const info = await this.server.request('attentionLens/modelInfo', {}, source.token);
      const { method: _, ...base } = this.view.value;
      const rows = await Promise.all(
        (info?.methods ?? []).map(async ({ name, title }) => {
          const view = name === 'raw' ? base : { ...base, method: name };
          const words = await this.ask(document, selection.active, view)
            .then(summary)
            .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
          return { label: title, detail: words, view };
        }),
      );
      if (rows.length === 0)
        throw new ServerError(vscode.l10n.t('No model is loaded, so there is no method to select.'));
      const chosen = await vscode.window.showQuickPick(rows, {
        title: vscode.l10n.t('Agreement with the rationale ({0}); chance in brackets', viewLabel(base)),
      });
      if (chosen) this.view.set(chosen.view);
    } finally {
      source.dispose();
    }
  }

  private later(): void {
    if (!this.isOn) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.measure(), delay);
  }

  private ask(document: vscode.TextDocument, position: vscode.Position, view: RationaleResult['view']) {
    const { rationaleLabel, rationaleScores } = annotationSettings();
    return this.annotations.ask('attentionLens/rationale', {
      textDocument: { uri: document.uri.toString() },
      position: plain(new vscode.Range(position, position)).start,
      label: rationaleLabel,
      scores: rationaleScores,
      ...(view ? { view } : {}),
    });
  }

  private async measure(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (!this.isOn || !editor || !isAnnotatable(editor.document)) {
      this.item.hide();
      for (const visible of vscode.window.visibleTextEditors) visible.setDecorations(this.strongest, []);
      return;
    }
    const { document } = editor;
    try {
      const result = await this.ask(document, editor.selection.active, this.view.value);
      if (result.version !== document.version) return;
      this.item.text = `$(graph) AUPRC ${figure(result.auprc)}`;
      this.item.tooltip = table(result);
      editor.setDecorations(this.strongest, (result.strongest ?? []).map(toRange));
    } catch (error) {
      if (error instanceof vscode.CancellationError) return;
      this.item.text = `$(graph) ${vscode.l10n.t('no rationale here')}`;
      this.item.tooltip = error instanceof Error ? error.message : String(error);
      editor.setDecorations(this.strongest, []);
    }
    this.item.show();
  }

  dispose(): void {
    clearTimeout(this.timer);
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

/** A value never stands without what chance gives. */
const figure = (measure: Measure | undefined): string =>
  measure ? `${measure.value.toFixed(2)} (${measure.chance.toFixed(2)})` : '–';

const summary = ({ auprc, tokenF1, iouF1, tokens = 0, marked = 0, chosen = 0 }: RationaleResult): string =>
  `AUPRC ${figure(auprc)} · F1@${chosen} ${figure(tokenF1)} · IoU-F1 ${figure(iouF1)} · ${vscode.l10n.t('marked tokens: {0} of {1}', marked, tokens)}`;

function table(result: RationaleResult): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  const rows: readonly (readonly [string, Measure | undefined])[] = [
    ['AUPRC', result.auprc],
    [vscode.l10n.t('token F1 of the {0} strongest', result.chosen ?? 0), result.tokenF1],
    [vscode.l10n.t('span F1 (IoU at least 0.5)'), result.iouF1],
  ];
  text.appendMarkdown(`| | ${vscode.l10n.t('agreement')} | ${vscode.l10n.t('by chance')} |\n|:--|--:|--:|\n`);
  for (const [name, measure] of rows) {
    text.appendMarkdown(`| ${name} | ${measure?.value.toFixed(3) ?? '–'} | ${measure?.chance.toFixed(3) ?? '–'} |\n`);
  }
  text.appendMarkdown('\n');
  text.appendText(
    [
      vscode.l10n.t('marked tokens: {0} of {1}', result.marked ?? 0, result.tokens ?? 0),
      result.view ? viewLabel(result.view) : '',
      vscode.l10n.t('Dashed: tokens with the strongest weights ({0})', result.chosen ?? 0),
    ].join(' · '),
  );
  return text;
}

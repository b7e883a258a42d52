import * as vscode from 'vscode';
import type { CorpusDocument } from '../../shared/annotation-protocol.js';
import { ServerError } from '../server.js';
import { annotationSettings } from '../settings.js';
import { type Annotations, isAnnotatable } from './annotations.js';

/** The documents around the active one: what is done, and which one is next. */
export class Corpus implements vscode.Disposable {
  private known: readonly CorpusDocument[] = [];
  private asking: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];

  readonly onDidChange = this.changed.event;

  constructor(private readonly annotations: Annotations) {
    this.subscriptions = [
      this.changed,
      // A sidecar is written shortly after an action; then it can be counted.
      annotations.onDidChange(() => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => void this.refresh().catch(() => undefined), 1000);
      }),
    ];
  }

  get documents(): readonly CorpusDocument[] {
    return this.known;
  }

  async refresh(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (!editor || !isAnnotatable(editor.document)) return;
    this.asking ??= this.annotations
      .ask('attentionLens/annotatedCorpus', { folder: editor.document.uri.toString() })
      .then(({ documents = [] }) => {
        const { order } = annotationSettings();
        // What is most in doubt comes first; what nobody doubts keeps the order of names.
        this.known = order === 'name' ? documents : [...documents].sort((a, b) => (b[order] ?? -1) - (a[order] ?? -1));
        this.changed.fire();
      })
      .finally(() => {
        this.asking = undefined;
      });
    await this.asking;
  }

  /** Opens the next document that is not approved. @returns its editor, undefined when all are done. */
  async openNext(after: vscode.Uri): Promise<vscode.TextEditor | undefined> {
    await this.refresh();
    const { known } = this;
    const here = known.findIndex(({ uri }) => vscode.Uri.parse(uri, true).fsPath === after.fsPath);
    const next = [...known.slice(here + 1), ...known.slice(0, Math.max(0, here))].find(({ approved }) => !approved);
    if (!next) return undefined;
    try {
      return await vscode.window.showTextDocument(
        await vscode.workspace.openTextDocument(vscode.Uri.parse(next.uri, true)),
      );
    } catch (error) {
      throw new ServerError(
        vscode.l10n.t(
          '{0} could not be opened: {1}',
          next.name,
          error instanceof Error ? error.message : String(error),
        ),
      );
    }
  }

  dispose(): void {
    clearTimeout(this.timer);
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

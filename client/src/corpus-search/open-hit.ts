import path from 'node:path';
import * as vscode from 'vscode';
import type { Hit } from '../../shared/search-protocol.js';
import { ServerError } from '../server.js';
import type { TintDecorations } from '../tint-decorations.js';
import { findPlace, type Span } from './place.js';

/**
 * Shows hits in their documents. An index may come from a stranger, so what it names is a text on this machine that the editor shows, and the user is
 * asked before one outside of the workspace is.
 */
export class HitOpener implements vscode.Disposable {
  /** Indexes whose documents may lie anywhere, for this session. */
  private readonly trusted = new Set<string>();
  private marked: vscode.TextEditor | undefined;
  private readonly subscription: vscode.Disposable;

  constructor(private readonly decorations: TintDecorations) {
    this.subscription = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      if (document === this.marked?.document && contentChanges.length > 0) this.clear();
    });
  }

  async open(hit: Hit, index: string): Promise<void> {
    const uri = await this.fileOf(hit.document, index);
    if (!uri) return;
    const document = await read(uri);
    const place = findPlace(document.getText(), hit);
    const rangeOf = ({ start, end }: Span) => new vscode.Range(document.positionAt(start), document.positionAt(end));
    const old = document.positionAt(hit.start);
    const selection = place ? rangeOf(place.word) : new vscode.Range(old, old);
    const editor = await vscode.window.showTextDocument(document, { selection, preview: true });
    editor.revealRange(selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    this.clear();
    if (!place) {
      throw new ServerError(
        vscode.l10n.t(
          '{0} has changed since the run, and “{1}” does not stand near its old place any more.',
          path.basename(uri.fsPath),
          hit.quote,
        ),
      );
    }
    this.decorations.mark(editor, selection, place.other ? rangeOf(place.other) : null);
    this.marked = editor;
    if (place.hasMoved) {
      vscode.window.setStatusBarMessage(
        vscode.l10n.t('The document has changed since the run; the words were found near their old place.'),
        8000,
      );
    }
  }

  clear(): void {
    if (this.marked) this.decorations.mark(this.marked, null, null);
    this.marked = undefined;
  }

  dispose(): void {
    this.subscription.dispose();
  }

  /** @returns undefined when the user does not want it opened. */
  private async fileOf(document: string, index: string): Promise<vscode.Uri | undefined> {
    // A name like \\host\share would be asked for over the network, with the user's account.
    if (!path.isAbsolute(document) || /^[\\/]{2}/.test(document)) {
      throw new ServerError(vscode.l10n.t('The index names no document on this machine: {0}', document));
    }
    const uri = vscode.Uri.file(path.normalize(document));
    if (!vscode.workspace.getWorkspaceFolder(uri) && !this.trusted.has(index)) {
      const open = vscode.l10n.t('Open');
      const answer = await vscode.window.showWarningMessage(
        vscode.l10n.t('This index names documents outside of the workspace. Open them?'),
        { modal: true, detail: vscode.l10n.t('The first is {0}. They are only shown.', uri.fsPath) },
        open,
      );
      if (answer !== open) return undefined;
      this.trusted.add(index);
    }
    let type: vscode.FileType;
    try {
      ({ type } = await vscode.workspace.fs.stat(uri));
    } catch {
      throw new ServerError(
        vscode.l10n.t('{0} is gone: the run has read it, and it is not there any more.', uri.fsPath),
      );
    }
    // A device has no end.
    if (!(type & vscode.FileType.File)) throw new ServerError(vscode.l10n.t('{0} is no file.', uri.fsPath));
    return uri;
  }
}

async function read(uri: vscode.Uri): Promise<vscode.TextDocument> {
  try {
    return await vscode.workspace.openTextDocument(uri);
  } catch (error) {
    throw new ServerError(
      vscode.l10n.t('{0} could not be opened: {1}', uri.fsPath, error instanceof Error ? error.message : String(error)),
    );
  }
}

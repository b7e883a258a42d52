import * as vscode from 'vscode';
import { type AttentionFile, isHeadSet, type ModelSummary, type Pick, type ViewChoice } from '../shared/protocol.js';
import { withErrorBoundary } from './commands.js';
import type { CurrentView } from './current-view.js';
import type { Panels } from './panels.js';
import { attentionFileScheme, type Server, ServerError } from './server.js';
import type { ShownTexts } from './shown-texts.js';

const extensions = ['npz', 'safetensors', 'json'];

/** Attention that another program computed, as read-only documents of its tokens: tints, hovers and panels treat them like any text. */
export class AttentionFiles implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly subscriptions: vscode.Disposable[];

  /** VS Code asks for the content again. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly server: Server,
    private readonly shown: ShownTexts,
    private readonly panels: Panels,
    private readonly view: CurrentView,
  ) {
    this.subscriptions = [
      this.changed,
      vscode.workspace.registerTextDocumentContentProvider(attentionFileScheme, this),
      vscode.commands.registerCommand('attentionLens.openAttentionFile', (argument: unknown) =>
        withErrorBoundary(server.log, () => this.open(argument)),
      ),
    ];
  }

  async provideTextDocumentContent(uri: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    return (await this.read(uri, token))?.text ?? '';
  }

  private async open(argument: unknown): Promise<void> {
    const file = argument instanceof vscode.Uri ? argument : await choose();
    if (!file) return;
    if (file.scheme !== 'file' || file.authority) {
      throw new ServerError(vscode.l10n.t('Only files on this machine can be opened.'));
    }
    const uri = file.with({ scheme: attentionFileScheme });
    const source = new vscode.CancellationTokenSource();
    // Read here first: what goes wrong inside of openTextDocument is said in VS Code's words, not in ours.
    const found = await this.read(uri, source.token).finally(() => source.dispose());
    if (!found) return;
    const open = vscode.workspace.textDocuments.find(document => document.uri.toString() === uri.toString());
    if (open && open.getText() !== found.text) this.changed.fire(uri);
    const opened = open ?? (await vscode.workspace.openTextDocument(uri));
    // What VS Code makes of the file's name is about the file, not about the words in it.
    const document =
      opened.languageId === 'plaintext' ? opened : await vscode.languages.setTextDocumentLanguage(opened, 'plaintext');
    await vscode.window.showTextDocument(document, { preview: false });
    if (!fits(this.view.value, found.model)) this.view.set({ layer: 'auto', head: 'mean' });
    const start = { line: 0, character: 0 };
    this.shown.show(uri, [{ start, end: start }]);
    this.panels.open(document, 'model');
    if (found.notice) void vscode.window.showInformationMessage(found.notice);
  }

  private read(uri: vscode.Uri, token: vscode.CancellationToken): Promise<AttentionFile | undefined> {
    return this.server.request('attentionLens/attentionFile', { uri: uri.toString() }, token);
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

/** Whether what is shown of other texts can be shown of the file; whatever else is wrong is said. */
function fits({ layer, head, heads, stack }: ViewChoice, model: ModelSummary): boolean {
  const most = Math.max(model.heads, model.decoderHeads ?? 0);
  const layers = Math.max(model.layers, model.decoderLayers ?? 0);
  const isThere = (pick: Pick | 'auto', count: number) => typeof pick !== 'number' || pick < count;
  const isOfKind = stack === undefined || model.kind === 'encoderDecoder' || stack === model.kind;
  return isOfKind && isThere(layer, layers) && isThere(head, most) && (!heads || isHeadSet(heads, layers, most));
}

async function choose(): Promise<vscode.Uri | undefined> {
  const active = vscode.window.activeTextEditor?.document.uri;
  const [file] =
    (await vscode.window.showOpenDialog({
      title: vscode.l10n.t('Open attention that another program computed'),
      filters: { [vscode.l10n.t('Attention: NPZ, safetensors, BertViz JSON')]: extensions },
      ...(active?.scheme === 'file' && { defaultUri: vscode.Uri.joinPath(active, '..') }),
    })) ?? [];
  return file;
}

import * as vscode from 'vscode';
import {
  type Comparison,
  type FromPanel,
  isFromPanel,
  isPanelState,
  type PanelMethod,
  type PanelTarget,
  type PictureResult,
  type Place,
  type SaveFormat,
  type Tab,
  type ToPanel,
} from '../shared/panel.js';
import {
  type ExportFormat,
  isDrawable,
  type Range,
  type Scope,
  type TokensResult,
  type ViewChoice,
} from '../shared/protocol.js';
import { showFailure } from './commands.js';
import { type ComparisonPicker, nameOf } from './comparison-picker.js';
import type { CurrentView } from './current-view.js';
import { hookUp } from './panel-html.js';
import { panelStrings } from './panel-strings.js';
import { attentionFileScheme, isServed, type Server, ServerError } from './server.js';
import { imageModel, panelSettings } from './settings.js';
import type { ShownText, ShownTexts } from './shown-texts.js';
import { shiftRange } from './text-ranges.js';
import type { TextVersions } from './text-versions.js';
import { type TintDecorations, toRange } from './tint-decorations.js';

export const panelType = 'attentionLens.panel';

/** Edits rest this long before a panel is told that its picture is out of date (ms). */
const editDelay = 250;
/** More bytes than any picture that the server reads. */
const largestPicture = 256 * 1024 * 1024;
const nowhere: Range = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };

export interface PanelHost {
  readonly extensionUri: vscode.Uri;
  readonly server: Server;
  readonly shown: ShownTexts;
  readonly view: CurrentView;
  /** Of images: a vision model has other layers and heads than the one that reads text. */
  readonly imageView: CurrentView;
  readonly decorations: TintDecorations;
  readonly versions: TextVersions;
  readonly comparisons: ComparisonPicker;
}

/** The panels, one per document. */
export class Panels implements vscode.Disposable, vscode.WebviewPanelSerializer {
  private readonly panels = new Map<string, Panel>();
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly host: PanelHost) {
    const { shown, view, imageView, server, versions } = host;
    this.subscriptions = [
      vscode.window.registerWebviewPanelSerializer(panelType, this),
      shown.onDidChange(({ uri, change }) => this.each(panel => panel.shownChanged(uri, change === 'edit'))),
      view.onDidChange(() => this.each(panel => panel.viewChanged())),
      imageView.onDidChange(() => this.each(panel => panel.viewChanged())),
      server.onDidRun(() => this.each(panel => panel.textChanged(false))),
      versions.onDidUpdate(uri => this.panels.get(uri.toString())?.textChanged(false)),
      vscode.workspace.onDidChangeTextDocument(event => this.each(panel => panel.comparedTextChanged(event))),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) =>
        this.each(panel => panel.cursorMoved(textEditor)),
      ),
      vscode.workspace.onDidChangeConfiguration(event => {
        if (event.affectsConfiguration('attentionLens')) this.each(panel => panel.settingsChanged());
      }),
    ];
  }

  open(document: vscode.TextDocument, tab: Tab): Panel {
    const known = this.panels.get(document.uri.toString());
    if (known) {
      known.reveal(tab);
      return known;
    }
    const panel = vscode.window.createWebviewPanel(
      panelType,
      vscode.l10n.t('Attention: {0}', nameOf(document.uri)),
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      {},
    );
    return this.adopt(panel, { uri: document.uri, isImage: false }, tab);
  }

  /** The panel of an image file. */
  openImage(uri: vscode.Uri): void {
    const known = this.panels.get(uri.toString());
    if (known) {
      known.reveal('image');
      return;
    }
    const panel = vscode.window.createWebviewPanel(
      panelType,
      vscode.l10n.t('Attention: {0}', nameOf(uri)),
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      {},
    );
    this.adopt(panel, { uri, isImage: true }, 'image');
  }

  /** After a window reload: the state says which text was shown, and it is shown again. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    if (!isPanelState(state)) {
      panel.dispose();
      return;
    }
    const { target, comparison, isGenerating } = state;
    const uri = vscode.Uri.parse(target.uri, true);
    try {
      if (target.isImage) {
        await vscode.workspace.fs.stat(uri);
        this.host.imageView.set(state.view);
        this.adopt(panel, { uri, isImage: true });
        return;
      }
      const document = await vscode.workspace.openTextDocument(uri);
      if (!isServed(document)) throw new Error('not a text document');
      this.host.view.set(state.view);
      if (this.host.shown.of(uri).length === 0) this.host.shown.show(uri, [target.range]);
      this.adopt(panel, {
        uri,
        isImage: false,
        ...(comparison ? { comparison } : {}),
        ...(isGenerating ? { isGenerating } : {}),
      });
    } catch {
      // The file is gone: so is what the panel was about.
      panel.dispose();
    }
  }

  private adopt(panel: vscode.WebviewPanel, subject: Subject, tab?: Tab): Panel {
    const key = subject.uri.toString();
    const adopted = new Panel(panel, subject, this.host, tab, () => this.panels.delete(key));
    this.panels.set(key, adopted);
    return adopted;
  }

  /** Clears pictures that no longer hold, such as after a change of model. */
  refresh(): void {
    this.each(panel => panel.textChanged(false));
  }

  private each(action: (panel: Panel) => void): void {
    for (const panel of this.panels.values()) action(panel);
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
    this.each(panel => panel.dispose());
  }
}

/** What a panel is about. */
interface Subject {
  readonly uri: vscode.Uri;
  readonly isImage: boolean;
  readonly comparison?: Comparison;
  readonly isGenerating?: boolean;
}

/** One webview panel: forwards questions to the server, decodes the answers, links panel and editor. */
class Panel implements vscode.Disposable {
  private readonly running = new Map<number, vscode.CancellationTokenSource>();
  private readonly subscriptions: vscode.Disposable[];
  private readonly uri: vscode.Uri;
  private readonly isImage: boolean;
  private isReady = false;
  /** Null: the text is compared with itself, by another layer or head. */
  private comparison: Comparison | null;
  /** The model writes the target of a text that has none. */
  private isGenerating: boolean;
  /** The other document that the text is read together with, as the last answer said. */
  private pair: { readonly uri: string; readonly version: number } | undefined;
  private editTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly panel: vscode.WebviewPanel,
    subject: Subject,
    private readonly host: PanelHost,
    /** The view to open with, once: after that the panel's own state says which. */
    private firstTab: Tab | undefined,
    onDispose: () => void,
  ) {
    this.uri = subject.uri;
    this.isImage = subject.isImage;
    this.comparison = subject.comparison ?? null;
    this.isGenerating = subject.isGenerating ?? false;
    this.subscriptions = [
      ...(this.isImage ? [this.watchFile()] : []),
      hookUp(panel, 'panel', host, {
        isMessage: isFromPanel,
        receive: message => this.receive(message),
        suspend: () => this.suspend(),
        closed: () => {
          this.dispose();
          onDispose();
        },
      }),
    ];
  }

  reveal(tab: Tab): void {
    // A panel that was hidden starts anew, and then asks for its first view.
    if (!this.isReady) this.firstTab = tab;
    this.panel.reveal(undefined, true);
    this.post({ type: 'tab', tab });
  }

  /** A shown text of any document has changed: this panel's own, or the one that it is read together with. */
  shownChanged(uri: vscode.Uri, isEdit: boolean): void {
    if ([this.uri.toString(), this.pair?.uri].includes(uri.toString())) this.textChanged(isEdit);
  }

  textChanged(isEdit: boolean): void {
    clearTimeout(this.editTimer);
    const tell = () => this.post({ type: 'changed', target: this.target() });
    if (isEdit) this.editTimer = setTimeout(tell, editDelay);
    else tell();
  }

  /** Asks what the text is to be compared with. */
  async pickComparison(): Promise<void> {
    const picked = await this.host.comparisons.pick(this.uri, this.shownText()?.id);
    if (picked !== undefined) this.compare(picked);
  }

  /** The range of a text that this one is compared with stays on its text. */
  comparedTextChanged({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    if (this.comparison?.kind !== 'text' || contentChanges.length === 0) return;
    const { target } = this.comparison;
    if (target.uri !== document.uri.toString()) return;
    this.comparison = { kind: 'text', target: { ...target, range: shiftRange(target.range, contentChanges) } };
    this.post({ type: 'comparison', comparison: this.comparison });
    this.textChanged(true);
  }

  compare(comparison: Comparison | null): void {
    this.comparison = comparison;
    this.post({ type: 'comparison', comparison });
  }

  private get view(): CurrentView {
    return this.isImage ? this.host.imageView : this.host.view;
  }

  viewChanged(): void {
    this.post({ type: 'view', view: this.view.value });
  }

  private watchFile(): vscode.Disposable {
    const pattern = new vscode.RelativePattern(vscode.Uri.joinPath(this.uri, '..'), nameOf(this.uri));
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    const changed = () => this.textChanged(true);
    return vscode.Disposable.from(watcher, watcher.onDidChange(changed), watcher.onDidCreate(changed));
  }

  settingsChanged(): void {
    this.post({ type: 'settings', settings: panelSettings() });
  }

  /** Of any editor: the panel follows its own document and the one that this is paired with. */
  cursorMoved(editor: vscode.TextEditor): void {
    const { active, isEmpty } = editor.selection;
    const uri = editor.document.uri.toString();
    const inPair = this.pair?.uri === uri;
    if (!inPair && uri !== this.uri.toString()) return;
    // Whether a token stands there is for the panel to say: a pair may be two places of one document.
    const position = { line: active.line, character: active.character, ...(inPair ? { inPair } : {}) };
    this.post({ type: 'cursor', position: isEmpty ? position : null });
  }

  /** The shown text that this panel is about: the one with the cursor, else the first. */
  private shownText() {
    const editor = this.editors()[0];
    return (editor && this.host.shown.at(this.uri, editor.selection.active)) ?? this.host.shown.of(this.uri)[0];
  }

  private target(): PanelTarget | null {
    const name = nameOf(this.uri);
    if (this.isImage) return { uri: this.uri.toString(), name, range: nowhere, isImage: true };
    const text = this.shownText();
    return text ? { uri: this.uri.toString(), name, range: text.asked } : null;
  }

  /** Visible editors of the document, the active one first. */
  private editors(uri = this.uri.toString()): vscode.TextEditor[] {
    const active = vscode.window.activeTextEditor;
    return vscode.window.visibleTextEditors
      .filter(editor => editor.document.uri.toString() === uri)
      .sort((a, b) => Number(b === active) - Number(a === active));
  }

  private receive(message: FromPanel): void {
    switch (message.type) {
      case 'ready': {
        this.isReady = true;
        this.post({
          type: 'init',
          strings: panelStrings(),
          settings: panelSettings(),
          view: this.view.value,
          ...(this.firstTab ? { tab: this.firstTab } : {}),
        });
        this.firstTab = undefined;
        this.post({ type: 'comparison', comparison: this.comparison });
        this.post({ type: 'changed', target: this.target() });
        const editor = this.editors()[0];
        if (editor) this.cursorMoved(editor);
        break;
      }
      case 'request':
        void this.answer(message.id, message.method, message.params);
        break;
      case 'cancel':
        this.running.get(message.id)?.cancel();
        break;
      case 'view':
        this.view.set(message.view);
        break;
      case 'mark':
        this.mark(message.version, message.query, message.key);
        break;
      case 'reveal':
        this.revealRange(message.version, message.range);
        break;
      case 'generate':
        this.isGenerating = message.isOn;
        this.textChanged(false);
        break;
      case 'save':
        void this.save(message.format, message.name, message.content);
        break;
      case 'export':
        void this.export(message.format, message.name, message.view);
        break;
      case 'copy':
        void vscode.env.clipboard.writeText(message.text);
        break;
      case 'command':
        if (message.command === 'cannotSave') {
          void vscode.window.showInformationMessage(
            vscode.l10n.t(
              'This view cannot be saved in that format; zoom in until each cell is one token, or choose another format.',
            ),
          );
        } else if (message.command === 'compareWith') {
          this.pickComparison().catch((error: unknown) => showFailure(this.host.server.log, error));
        } else if (message.command === 'cannotCopy') {
          void vscode.window.showInformationMessage(
            vscode.l10n.t('A picture cannot be put on the clipboard here; save it as PNG instead.'),
          );
        } else void vscode.commands.executeCommand(`attentionLens.${message.command}`, { isImage: this.isImage });
        break;
    }
  }

  private async answer(id: number, method: PanelMethod, params: object): Promise<void> {
    const text = this.shownText();
    if (!text && !this.isImage) {
      this.post({ type: 'failure', id, message: vscode.l10n.t('Nothing is shown in this document.') });
      return;
    }
    const source = new vscode.CancellationTokenSource();
    this.running.set(id, source);
    try {
      const { side, ...asked } = params as { readonly side?: unknown };
      if (method === 'picture') {
        this.post({ type: 'reply', id, result: await this.picture() });
        return;
      }
      const scope = side === 'other' && text ? await this.otherScope(text) : this.scopeOf(text);
      const result = await this.host.server.request(
        `attentionLens/${method}`,
        // The panel's own type ties these parameters to the method; here they are passed on as they are.
        { ...asked, scope } as never,
        source.token,
      );
      if (result && method === 'tokens' && side !== 'other') this.pair = (result as TokensResult).pair;
      if (result) this.post({ type: 'reply', id, result: withBuffers(result) });
      else this.post({ type: 'failure', id, message: vscode.l10n.t('The question was overtaken by a newer one.') });
    } catch (error) {
      this.post({ type: 'failure', id, message: error instanceof Error ? error.message : String(error) });
    } finally {
      this.running.delete(id);
      source.dispose();
    }
  }

  private scopeOf(text: ShownText | undefined): Scope {
    if (!text) {
      const [model, textDocument] = [imageModel(), { uri: this.uri.toString() }];
      return { textDocument, range: nowhere, image: true, ...(model ? { model } : {}) };
    }
    return { ...this.host.shown.scopeOf(this.uri, text), ...(this.isGenerating ? { generate: true } : {}) };
  }

  /** The file as it is: the panel draws it itself. */
  private async picture(): Promise<PictureResult> {
    const { size } = await vscode.workspace.fs.stat(this.uri);
    if (size > largestPicture) throw new ServerError(vscode.l10n.t('The file is too large to be drawn.'));
    const bytes = await vscode.workspace.fs.readFile(this.uri);
    const type = /\.png$/i.test(this.uri.path) ? 'image/png' : 'image/jpeg';
    return { version: null, status: 'ok', data: new Uint8Array(bytes).buffer, type };
  }

  /** What the text is compared with. */
  private async otherScope(text: ShownText): Promise<Scope> {
    switch (this.comparison?.kind) {
      case 'model':
        return { ...this.scopeOf(text), model: this.comparison.model };
      case 'text': {
        const { uri, name, range } = this.comparison.target;
        try {
          await vscode.workspace.openTextDocument(vscode.Uri.parse(uri, true));
        } catch {
          throw new ServerError(vscode.l10n.t('{0} is not there any more; choose another text.', name));
        }
        return { textDocument: { uri }, range };
      }
      case 'saved':
      case 'head': {
        const document = await vscode.workspace.openTextDocument(this.uri);
        return this.host.versions.scopeOf(document, text, this.comparison.kind);
      }
      default:
        return this.scopeOf(text);
    }
  }

  private mark(version: number, query: Place | null, key: Place | null): void {
    const { decorations } = this.host;
    for (const [inPair, current, uri] of this.documents(version)) {
      const here = (place: Place | null) => (place && (place.inPair ?? false) === inPair ? place : null);
      for (const editor of this.editors(uri)) {
        if (editor.document.version === current) decorations.mark(editor, here(query), here(key));
      }
    }
  }

  /** The panel's own document and the one that it is paired with, each with the version that its tokens are of. */
  private documents(version: number): (readonly [inPair: boolean, version: number, uri: string])[] {
    const own = [false, version, this.uri.toString()] as const;
    return this.pair ? [own, [true, this.pair.version, this.pair.uri]] : [own];
  }

  private revealRange(ofOwn: number, range: Place): void {
    const found = this.documents(ofOwn).find(([inPair]) => inPair === (range.inPair ?? false));
    if (!found) return;
    const [, version, uri] = found;
    const editor = this.editors(uri)[0];
    if (!editor || editor.document.version !== version) return;
    const target = toRange(range);
    editor.selection = new vscode.Selection(target.start, target.start);
    editor.revealRange(target, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  private askForFile(format: SaveFormat | ExportFormat, name: string): Thenable<vscode.Uri | undefined> {
    const folder = vscode.Uri.joinPath(this.uri, '..');
    const base =
      this.uri.scheme === 'untitled'
        ? vscode.workspace.workspaceFolders?.[0]?.uri
        : this.uri.scheme === attentionFileScheme
          ? folder.with({ scheme: 'file' })
          : folder;
    return vscode.window.showSaveDialog({
      ...(base ? { defaultUri: vscode.Uri.joinPath(base, `${name}.${format}`) } : {}),
      filters: { [format.toUpperCase()]: [format] },
    });
  }

  /** Pages and arrays are written by the server: it has the numbers, and the command line writes the same. */
  private async export(format: ExportFormat, name: string, view: ViewChoice): Promise<void> {
    const text = this.shownText();
    const file = text && (await this.askForFile(format, name));
    if (!text || !file) return;
    const scope = this.scopeOf(text);
    if (file.scheme !== 'file') {
      void vscode.window.showErrorMessage(vscode.l10n.t('Choose a folder on the machine where the server runs.'));
      return;
    }
    const result = await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: vscode.l10n.t('Writing {0}', nameOf(file)),
        cancellable: true,
      },
      async (_, token) => {
        const { server } = this.host;
        try {
          return await server.request('attentionLens/export', { scope, view, format, path: file.fsPath }, token);
        } catch (error) {
          return { version: null, status: 'failed' as const, message: error instanceof Error ? error.message : '' };
        }
      },
    );
    if (!result) return;
    if (!isDrawable(result.status)) {
      void vscode.window.showErrorMessage(result.message || vscode.l10n.t('{0} could not be written.', file.fsPath));
      return;
    }
    const open = vscode.l10n.t('Open');
    const message = result.isWhole
      ? vscode.l10n.t('{0} holds all layers and heads.', nameOf(file))
      : vscode.l10n.t('{0} holds the shown head only: all of them would be too much for this format.', nameOf(file));
    // A page is for a browser; what programs read has nothing to open it here.
    const actions = format === 'html' ? [open] : [];
    if ((await vscode.window.showInformationMessage(message, ...actions)) === open) void vscode.env.openExternal(file);
  }

  private async save(format: SaveFormat, name: string, content: string): Promise<void> {
    const file = await this.askForFile(format, name);
    if (!file) return;
    try {
      await vscode.workspace.fs.writeFile(file, Buffer.from(content, format === 'png' ? 'base64' : 'utf8'));
    } catch (error) {
      this.host.server.log.error(String(error));
      void vscode.window.showErrorMessage(vscode.l10n.t('{0} could not be written.', file.fsPath));
    }
  }

  private post(message: ToPanel): void {
    if (this.isReady) void this.panel.webview.postMessage(message);
  }

  private suspend(): void {
    this.isReady = false;
    for (const source of this.running.values()) source.cancel();
    for (const [, , uri] of this.documents(0)) {
      for (const editor of this.editors(uri)) this.host.decorations.mark(editor, null, null);
    }
  }

  dispose(): void {
    clearTimeout(this.editTimer);
    this.suspend();
    vscode.Disposable.from(...this.subscriptions).dispose();
    this.panel.dispose();
  }
}

const byteFields = ['weights', 'data', 'queryVector', 'keyVector'] as const;

/** Base64 strings become ArrayBuffers of their own: a view of node's pool would send the whole pool. */
function withBuffers(result: object): object {
  const copy: Record<string, unknown> = { ...result };
  for (const field of byteFields) {
    const value = copy[field];
    if (typeof value === 'string') copy[field] = new Uint8Array(Buffer.from(value, 'base64')).buffer;
  }
  return copy;
}

import * as vscode from 'vscode';
import { ExecuteCommandRequest } from 'vscode-languageclient/node';
import { isRange, isView, type Tab } from '../shared/panel.js';
import { isDrawable, type Range } from '../shared/protocol.js';
import { askName, type ComparisonPicker, nameOf, pickFolder } from './comparison-picker.js';
import type { CurrentView } from './current-view.js';
import type { ModelManager } from './model-manager.js';
import type { Panels } from './panels.js';
import { isServed, type Server, ServerError } from './server.js';
import { plain, type ShownTexts } from './shown-texts.js';
import type { StatusItems } from './status-items.js';
import type { Tints } from './tints.js';
import { fileModel, pickView } from './view-picker.js';

export interface CommandHost {
  readonly server: Server;
  readonly shown: ShownTexts;
  readonly view: CurrentView;
  readonly imageView: CurrentView;
  readonly panels: Panels;
  readonly status: StatusItems;
  readonly tints: Tints;
  readonly models: ModelManager;
  readonly comparisons: ComparisonPicker;
}

export function registerCommands(host: CommandHost): vscode.Disposable {
  const { models, server, shown, view, imageView, panels, status, tints, comparisons } = host;
  const openPanel = (tab: Tab) => {
    const editor = servedEditor(shown);
    if (shown.of(editor.document.uri).length === 0) shown.show(editor.document.uri, askedRanges(editor));
    return panels.open(editor.document, tab);
  };
  // Lenses and actions of the server name a place; a command from the palette means the active editor.
  const openAt = (tab: Tab) => async (place: unknown) => {
    if (isPlace(place)) await showPlace(place, shown);
    openPanel(tab);
  };
  const commands: Record<string, (argument?: unknown) => Promise<void> | void> = {
    ...models.commands,
    showAttention: () => {
      const editor = servedEditor(shown);
      shown.show(editor.document.uri, askedRanges(editor));
    },
    openSample: async () => {
      const document = await vscode.workspace.openTextDocument({ content: sample, language: 'plaintext' });
      const editor = await vscode.window.showTextDocument(document);
      // On a word, so that the first picture is what that word attends to.
      const at = document.positionAt(sample.indexOf('it was') + 1);
      editor.selection = new vscode.Selection(at, at);
      shown.show(document.uri, askedRanges(editor));
    },
    showHead: chosen => {
      if (isView(chosen)) view.set(chosen);
    },
    clearAttention: () => {
      const editor = vscode.window.activeTextEditor;
      if (editor && shown.of(editor.document.uri).length > 0) shown.clear(editor.document.uri);
      else shown.clearAll();
    },
    openHeatmap: openAt('heatmap'),
    openModelView: () => void openPanel('model'),
    openHeadView: openAt('head'),
    openRowView: () => void openPanel('row'),
    openNeuronView: () => void openPanel('neuron'),
    openCrossView: () => void openPanel('cross'),
    openCompareView: () => void openPanel('compare'),
    openPredictionView: () => void openPanel('prediction'),
    openTrustView: () => void openPanel('trust'),
    compareWith: () => openPanel('compare').pickComparison(),
    // An action of the server: the text of the pinned query beside the one that the cursor is in.
    compareWithPinned: async (place: unknown) => {
      if (!isPlace(place) || !isRange(place.pinned)) return;
      await showPlace({ uri: place.uri, range: collapsed(place.range) }, shown);
      const uri = vscode.Uri.parse(place.uri, true);
      openPanel('compare').compare({
        kind: 'text',
        target: { uri: uri.toString(), name: nameOf(uri), range: collapsed(place.pinned) },
      });
    },
    selectForCompare: () => {
      const editor = servedEditor(shown);
      const [range] = askedRanges(editor);
      const { uri } = editor.document;
      if (range) comparisons.select({ uri: uri.toString(), name: nameOf(uri), range: plain(range) });
    },
    showImageAttention: (file: unknown) => {
      const uri = file instanceof vscode.Uri ? file : activeImage();
      if (!uri) throw new ServerError(vscode.l10n.t('Open an image file first, or choose one in the explorer.'));
      if (uri.scheme !== 'file') {
        throw new ServerError(vscode.l10n.t('Only image files on this machine can be shown.'));
      }
      panels.openImage(uri);
    },
    selectImageModel: async () => {
      const folder = vscode.l10n.t('A model folder…');
      const name = vscode.l10n.t('A model by name or path…');
      const title = vscode.l10n.t('Vision model that looks at images');
      const picked = await vscode.window.showQuickPick([folder, name], { title });
      const chosen = picked === folder ? await pickFolder(title) : picked && (await askName(title));
      if (!chosen) return;
      await vscode.workspace
        .getConfiguration('attentionLens')
        .update('imageModel', chosen, vscode.ConfigurationTarget.Global);
    },
    selectHead: async () => {
      await server.start();
      const file = await fileModel(server, meantEditor(shown)?.document.uri);
      const model = file ?? status.model ?? (await askModel(server));
      if (!model) throw new ServerError(vscode.l10n.t('No model is loaded, so there is no layer or head to select.'));
      await pickView(model, view);
    },
    selectMethod: async (origin: unknown) => {
      const chosenFor = isFromImage(origin) ? imageView : view;
      const info = await askModel(server);
      if (!info?.methods) throw new ServerError(vscode.l10n.t('No model is loaded, so there is no method to select.'));
      const chosen = await vscode.window.showQuickPick(
        info.methods.map(({ name, title, summary }) => ({
          label: title,
          detail: summary,
          name,
          picked: name === (chosenFor.value.method ?? 'raw'),
        })),
        { title: vscode.l10n.t('How attention is weighed'), matchOnDetail: true },
      );
      if (!chosen) return;
      const { method: _, ...rest } = chosenFor.value;
      chosenFor.set(chosen.name === 'raw' ? rest : { ...rest, method: chosen.name });
    },
    pin: async () => {
      const editor = servedEditor(shown);
      if (shown.of(editor.document.uri).length === 0) shown.show(editor.document.uri, askedRanges(editor));
      const word = editor.document.getWordRangeAtPosition(editor.selection.active);
      const range = editor.selection.isEmpty ? word : editor.selection;
      if (!range)
        throw new ServerError(vscode.l10n.t('There is nothing to pin: put the cursor on a word or select a phrase.'));
      await execute(server, 'attentionLens.pinQuery', { uri: editor.document.uri.toString(), range: plain(range) });
      tints.refreshAll();
    },
    // The tree of the view container names the document; else the active editor's is meant.
    unpin: async (node: unknown) => {
      const { uri } = isPinned(node) ? node : servedEditor(shown).document;
      await execute(server, 'attentionLens.unpinQuery', { uri: uri.toString() });
      tints.refreshAll();
    },
    pairEditors: async () => {
      const editor = servedEditor(shown);
      const selected = editor.selections.filter(selection => !selection.isEmpty);
      const [first, second] = selected;
      if (first && second && selected.length === 2) {
        shown.showPair({ uri: editor.document.uri, range: first }, { uri: editor.document.uri, range: second });
        return;
      }
      const other = await pickOther(editor);
      if (!other) return;
      const [source, target] = [editor, other].map(({ document: { uri }, selection: range }) => ({ uri, range }));
      if (!source || !target) return;
      if (!source.range.isEmpty && !target.range.isEmpty) {
        shown.showPair(source, target);
        return;
      }
      if (!source.range.isEmpty || !target.range.isEmpty || editor.document === other.document) {
        throw new ServerError(
          vscode.l10n.t(
            'Select text in both editors to pair the selections, or in neither to pair two documents line by line.',
          ),
        );
      }
      await execute(server, 'attentionLens.pairDocuments', {
        source: source.uri.toString(),
        target: target.uri.toString(),
      });
      shown.clear(target.uri);
      shown.show(source.uri, [source.range]);
    },
    unpairEditor: async () => {
      const { uri } = servedEditor(shown).document;
      await execute(server, 'attentionLens.unpairDocument', { uri: uri.toString() });
      shown.show(uri, askedRanges(servedEditor(shown)));
    },
    restartServer: () =>
      vscode.window.withProgress(
        { location: vscode.ProgressLocation.Window, title: vscode.l10n.t('Restarting the AttentionLens server') },
        () => server.restart(),
      ) as Promise<void>,
    openWalkthrough: async () => {
      await vscode.commands.executeCommand('workbench.action.openWalkthrough', 'attention-lens.attention-lens#start');
    },
    showLogs: () => server.log.show(true),
  };
  return vscode.Disposable.from(
    ...Object.entries(commands).map(([name, run]) =>
      vscode.commands.registerCommand(`attentionLens.${name}`, (argument: unknown) =>
        withErrorBoundary(server.log, () => run(argument)),
      ),
    ),
  );
}

/** The editor to pair with: the other one on screen; of several the user says which. */
async function pickOther(editor: vscode.TextEditor): Promise<vscode.TextEditor | undefined> {
  const others = vscode.window.visibleTextEditors.filter(other => other !== editor && isServed(other.document));
  if (others.length === 0) {
    throw new ServerError(
      vscode.l10n.t('Open the second text in an editor beside this one, or select two texts in this one.'),
    );
  }
  if (others.length === 1) return others[0];
  const items = others.map(other => ({ label: vscode.workspace.asRelativePath(other.document.uri), other }));
  return (await vscode.window.showQuickPick(items, { title: vscode.l10n.t('Pair with') }))?.other;
}

/** The selections of an editor that select something; else the place of its cursor. */
function askedRanges(editor: vscode.TextEditor): readonly Range[] {
  const selected = editor.selections.filter(selection => !selection.isEmpty);
  const cursor = editor.selection.active;
  return selected.length > 0 ? selected : [{ start: cursor, end: cursor }];
}

/** While a panel has the focus no editor is active: then the one that shows attention is meant. */
function meantEditor(shown: ShownTexts): vscode.TextEditor | undefined {
  const editors = vscode.window.visibleTextEditors;
  return (
    vscode.window.activeTextEditor ??
    editors.find(({ document }) => shown.of(document.uri).length > 0) ??
    editors.find(({ document }) => isServed(document))
  );
}

function servedEditor(shown: ShownTexts): vscode.TextEditor {
  const editor = meantEditor(shown);
  if (!editor) throw new ServerError(vscode.l10n.t('Open a text file first: attention is shown in an editor.'));
  if (!isServed(editor.document)) {
    throw new ServerError(
      vscode.l10n.t('Attention cannot be shown in this kind of editor ({0}).', editor.document.uri.scheme),
    );
  }
  return editor;
}

async function askModel(server: Server) {
  const source = new vscode.CancellationTokenSource();
  try {
    const info = await server.request('attentionLens/modelInfo', {}, source.token);
    if (info && !isDrawable(info.status)) throw new ServerError(info.message ?? info.status);
    return info;
  } finally {
    source.dispose();
  }
}

async function execute(server: Server, command: string, argument: object): Promise<void> {
  const client = await server.start();
  try {
    await client.sendRequest(ExecuteCommandRequest.type, { command, arguments: [argument] });
  } catch (error) {
    throw new ServerError(error instanceof Error ? error.message : String(error));
  }
}

/** The image in front, in VS Code's own viewer or in another one. */
function activeImage(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const uri = input instanceof vscode.TabInputCustom || input instanceof vscode.TabInputText ? input.uri : undefined;
  return uri && /\.(png|jpe?g)$/i.test(uri.path) ? uri : undefined;
}

const isFromImage = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'isImage' in value && value.isImage === true;

/** English, as the embedded model is: what *it* stands for is the classic question to a head. */
const sample = `The trophy would not fit in the suitcase because it was too big. Nobody in the room had measured it before the train left.

The old captain gave the sailor his coat, although he was cold himself. The sailor thanked him and wore it until they reached the harbour.
`;

const isPinned = (value: unknown): value is { readonly uri: vscode.Uri } =>
  typeof value === 'object' && value !== null && 'uri' in value && value.uri instanceof vscode.Uri;

interface Place {
  readonly uri: string;
  readonly range: Range;
  readonly pinned?: unknown;
}

/** Stands for the whole text around it. */
const collapsed = ({ start }: Range): Range => ({ start, end: start });

const isPlace = (value: unknown): value is Place =>
  typeof value === 'object' &&
  value !== null &&
  'uri' in value &&
  'range' in value &&
  typeof value.uri === 'string' &&
  isRange(value.range);

/** Shows the attention of a place that the server named, in an editor that is brought to the front. */
async function showPlace({ uri, range }: Place, shown: ShownTexts): Promise<void> {
  const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(uri, true));
  const visible = vscode.window.visibleTextEditors.find(editor => editor.document === document);
  await vscode.window.showTextDocument(document, visible?.viewColumn ?? vscode.ViewColumn.Active);
  shown.show(document.uri, [range]);
}

/** The one place where a failed command meets the user. */
export async function withErrorBoundary(log: vscode.LogOutputChannel, run: () => Promise<void> | void): Promise<void> {
  try {
    await run();
  } catch (error) {
    await showFailure(log, error);
  }
}

export async function showFailure(log: vscode.LogOutputChannel, error: unknown): Promise<void> {
  if (error instanceof vscode.CancellationError) return;
  if (!(error instanceof ServerError)) log.error(error instanceof Error ? error : String(error));
  const showLogs = vscode.l10n.t('Show Logs');
  const text =
    error instanceof ServerError ? error.message : vscode.l10n.t('AttentionLens could not do that. The log says why.');
  if ((await vscode.window.showErrorMessage(text, showLogs)) === showLogs) log.show(true);
}

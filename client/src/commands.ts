import * as vscode from 'vscode';
import type { Tab } from '../shared/panel.js';
import { isDrawable, type Range } from '../shared/protocol.js';
import type { CurrentView } from './current-view.js';
import type { Panels } from './panels.js';
import { isServed, type Server, ServerError } from './server.js';
import type { ShownTexts } from './shown-texts.js';
import type { StatusItems } from './status-items.js';
import { pickView } from './view-picker.js';

export interface CommandHost {
  readonly server: Server;
  readonly shown: ShownTexts;
  readonly view: CurrentView;
  readonly panels: Panels;
  readonly status: StatusItems;
}

export function registerCommands(host: CommandHost): vscode.Disposable {
  const { server, shown, view, panels, status } = host;
  const openPanel = (tab: Tab) => {
    const editor = servedEditor();
    if (shown.of(editor.document.uri).length === 0) shown.show(editor.document.uri, askedRanges(editor));
    panels.open(editor.document, tab);
  };
  const commands: Record<string, () => Promise<void> | void> = {
    showAttention: () => {
      const editor = servedEditor();
      shown.show(editor.document.uri, askedRanges(editor));
    },
    clearAttention: () => {
      const editor = vscode.window.activeTextEditor;
      if (editor && shown.of(editor.document.uri).length > 0) shown.clear(editor.document.uri);
      else shown.clearAll();
    },
    openHeatmap: () => openPanel('heatmap'),
    openModelView: () => openPanel('model'),
    openHeadView: () => openPanel('head'),
    openRowView: () => openPanel('row'),
    selectHead: async () => {
      await server.start();
      const model = status.model ?? (await askModel(server));
      if (!model) throw new ServerError(vscode.l10n.t('No model is loaded, so there is no layer or head to select.'));
      await pickView(model, view);
    },
    restartServer: () =>
      vscode.window.withProgress(
        { location: vscode.ProgressLocation.Window, title: vscode.l10n.t('Restarting the AttentionLens server') },
        () => server.restart(),
      ) as Promise<void>,
    showLogs: () => server.log.show(true),
  };
  return vscode.Disposable.from(
    ...Object.entries(commands).map(([name, run]) =>
      vscode.commands.registerCommand(`attentionLens.${name}`, () => withErrorBoundary(server.log, run)),
    ),
  );
}

/** The selections of an editor that select something; else the place of its cursor. */
function askedRanges(editor: vscode.TextEditor): readonly Range[] {
  const selected = editor.selections.filter(selection => !selection.isEmpty);
  const cursor = editor.selection.active;
  return selected.length > 0 ? selected : [{ start: cursor, end: cursor }];
}

function servedEditor(): vscode.TextEditor {
  const editor = vscode.window.activeTextEditor;
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

/** The one place where a failed command meets the user. */
async function withErrorBoundary(log: vscode.LogOutputChannel, run: () => Promise<void> | void): Promise<void> {
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

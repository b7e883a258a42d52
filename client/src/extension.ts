import * as vscode from 'vscode';
import { isDrawable } from '../shared/protocol.js';
import { registerAnnotations } from './annotations/register.js';
import { AttentionFiles } from './attention-files.js';
import { registerCommands, showFailure } from './commands.js';
import { ComparisonPicker } from './comparison-picker.js';
import { CorpusSearch } from './corpus-search/corpus-search.js';
import { CurrentView } from './current-view.js';
import { hoverGate } from './hover-gate.js';
import { ModelManager } from './model-manager.js';
import { OverviewTree } from './overview-tree.js';
import { Panels } from './panels.js';
import { Server, ServerError } from './server.js';
import { configuredView, serverSettings } from './settings.js';
import { ShownTexts } from './shown-texts.js';
import { StatusItems } from './status-items.js';
import { TextVersions } from './text-versions.js';
import { TintDecorations } from './tint-decorations.js';
import { Tints } from './tints.js';

let running: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('AttentionLens', { log: true });
  const view = new CurrentView(context.workspaceState);
  const imageView = new CurrentView(context.workspaceState, 'imageView', { layer: 'mean', head: 'mean' });
  const shown = new ShownTexts();
  const server: Server = new Server(
    context,
    log,
    () => serverSettings(view.value),
    hoverGate(shown, view, () => server.languageClient),
  );
  running = server;
  const decorations = new TintDecorations();
  const tints = new Tints(server, shown, view, decorations);
  const status = new StatusItems(server, tints, shown, view);
  const versions = new TextVersions();
  const comparisons = new ComparisonPicker(shown, versions, context.workspaceState);
  const models = new ModelManager(server);
  const panels = new Panels({
    extensionUri: context.extensionUri,
    server,
    shown,
    view,
    imageView,
    decorations,
    versions,
    comparisons,
  });

  // The same failure is told once; the status item keeps saying it until an answer comes.
  let told: string | undefined;
  const tell = (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    status.fail(message);
    if (message !== told) void showFailure(log, error);
    told = message;
  };

  context.subscriptions.push(
    log,
    view,
    imageView,
    shown,
    server,
    decorations,
    tints,
    status,
    versions,
    comparisons,
    panels,
    models,
    new OverviewTree(server, shown, view, status, tints),
    registerCommands({ server, shown, view, imageView, panels, status, tints, models, comparisons }),
    registerAnnotations(server, view, context),
    new AttentionFiles(server, shown, panels, view),
    new CorpusSearch(server, context.workspaceState, decorations, view),
    tints.onDidFail(tell),
    tints.onDidAnswer(({ results }) => {
      for (const { status: outcome, message } of results) {
        if (isDrawable(outcome)) told = undefined;
        else if (outcome === 'empty') vscode.window.setStatusBarMessage(message ?? nothingToShow(), 5000);
        else tell(new ServerError(message ?? vscode.l10n.t('The server gave no answer. The log says why.')));
      }
    }),
    shown.onDidChange(() => {
      void vscode.commands.executeCommand('setContext', 'attentionLens.isShown', shown.isAny);
    }),
    view.onDidChange(() => void server.configure()),
    vscode.workspace.onDidChangeConfiguration(async event => {
      if (event.affectsConfiguration('attentionLens.server.path')) {
        if (server.isRunning) await server.restart().catch(tell);
      } else if (event.affectsConfiguration('attentionLens')) {
        if (['layer', 'head', 'heads'].some(name => event.affectsConfiguration(`attentionLens.${name}`))) {
          view.set(configuredView());
        }
        await server.configure();
        tints.refreshAll();
        panels.refresh();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(async () => {
      if (server.isRunning) await server.restart().catch(tell);
    }),
  );
}

const nothingToShow = () => vscode.l10n.t('There is no text to show attention for.');

export async function deactivate(): Promise<void> {
  await running?.stop();
}

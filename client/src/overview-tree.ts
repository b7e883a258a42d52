import * as vscode from 'vscode';
import type { CurrentView } from './current-view.js';
import type { Server } from './server.js';
import type { ShownText, ShownTexts } from './shown-texts.js';
import type { StatusItems } from './status-items.js';
import { toRange } from './tint-decorations.js';
import { viewLabel } from './view-words.js';

type Node =
  | { readonly kind: 'model' }
  | { readonly kind: 'view' }
  | { readonly kind: 'text'; readonly uri: vscode.Uri; readonly text: ShownText };

/** The AttentionLens view container: which model, which layer and head, which texts. Empty until something is shown. */
export class OverviewTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];

  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    server: Server,
    private readonly shown: ShownTexts,
    private readonly view: CurrentView,
    private readonly status: StatusItems,
  ) {
    const refresh = () => this.changed.fire();
    this.subscriptions = [
      this.changed,
      shown.onDidChange(refresh),
      view.onDidChange(refresh),
      server.onDidReport(refresh),
      vscode.window.registerTreeDataProvider('attentionLens.overview', this),
    ];
  }

  getChildren(parent?: Node): Node[] {
    if (parent || !this.shown.isAny) return [];
    const texts = this.shown.uris.flatMap(uri => this.shown.of(uri).map((text): Node => ({ kind: 'text', uri, text })));
    return [{ kind: 'model' }, { kind: 'view' }, ...texts];
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case 'model': {
        const { model } = this.status;
        const item = new vscode.TreeItem(model?.name ?? vscode.l10n.t('No model yet'));
        if (model) {
          item.description = vscode.l10n.t('{0}, {1} layers × {2} heads', model.modelType, model.layers, model.heads);
        }
        item.iconPath = new vscode.ThemeIcon('chip');
        item.command = { command: 'attentionLens.selectModel', title: vscode.l10n.t('Choose a model') };
        return item;
      }
      case 'view': {
        const item = new vscode.TreeItem(viewLabel(this.view.value));
        item.iconPath = new vscode.ThemeIcon('layers');
        item.command = { command: 'attentionLens.selectHead', title: vscode.l10n.t('Select layer and head') };
        return item;
      }
      case 'text': {
        const { uri, text } = node;
        const range = toRange(text.extent ?? text.asked);
        const item = new vscode.TreeItem(uri);
        item.description = vscode.l10n.t('line {0}', range.start.line + 1);
        item.iconPath = new vscode.ThemeIcon('eye');
        item.command = {
          command: 'vscode.open',
          title: vscode.l10n.t('Go to the text'),
          arguments: [uri, { selection: new vscode.Range(range.start, range.start) }],
        };
        return item;
      }
    }
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

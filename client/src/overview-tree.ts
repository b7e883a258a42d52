import * as vscode from 'vscode';
import { messages } from '../shared/messages.js';
import { headsOf, patternOf } from '../shared/profiles.js';
import { type HeadProfile, isDrawable, type Range, type View } from '../shared/protocol.js';
import type { CurrentView } from './current-view.js';
import type { Server } from './server.js';
import type { ShownText, ShownTexts } from './shown-texts.js';
import type { StatusItems } from './status-items.js';
import { toRange } from './tint-decorations.js';
import type { Tints } from './tints.js';
import { viewLabel } from './view-words.js';

type Group = 'texts' | 'pins' | 'heads';

type Node =
  | { readonly kind: 'model' }
  | { readonly kind: 'view' }
  | { readonly kind: 'group'; readonly group: Group }
  | { readonly kind: 'text'; readonly uri: vscode.Uri; readonly text: ShownText }
  | { readonly kind: 'pin'; readonly uri: vscode.Uri; readonly range: Range; readonly word: string }
  | { readonly kind: 'head'; readonly layer: number; readonly head: number; readonly profile: HeadProfile }
  | { readonly kind: 'notice'; readonly message: string };

/**
 * The AttentionLens view container: which model, which layer and head, which texts, which queries are pinned, what the heads do. Empty
 * until something is shown, so that the welcome text stands there.
 */
export class OverviewTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<Node | undefined>();
  private readonly subscriptions: vscode.Disposable[];
  private readonly pins = new Map<string, Extract<Node, { kind: 'pin' }>>();
  /** The same object each time, so that the tree knows it again and keeps it open. */
  private readonly groups: Readonly<Record<Group, Node>> = {
    texts: { kind: 'group', group: 'texts' },
    pins: { kind: 'group', group: 'pins' },
    heads: { kind: 'group', group: 'heads' },
  };

  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    private readonly server: Server,
    private readonly shown: ShownTexts,
    private readonly view: CurrentView,
    private readonly status: StatusItems,
    tints: Tints,
  ) {
    const refresh = () => this.changed.fire(undefined);
    this.subscriptions = [
      this.changed,
      shown.onDidChange(({ uri, change }) => {
        // While typing the texts and heads stay what they are; a list that flickers helps nobody.
        if (change === 'edit') return;
        if (shown.of(uri).length === 0) this.pins.delete(uri.toString());
        refresh();
      }),
      view.onDidChange(refresh),
      server.onDidReport(refresh),
      tints.onDidAnswer(({ editor, results }) => {
        if (this.notePin(editor.document, results.find(({ pinned }) => pinned)?.query ?? null)) refresh();
      }),
      vscode.window.registerTreeDataProvider('attentionLens.overview', this),
    ];
  }

  async getChildren(parent?: Node): Promise<Node[]> {
    if (!this.shown.isAny) return [];
    if (!parent) {
      const pins = this.pins.size > 0 ? [this.groups.pins] : [];
      return [{ kind: 'model' }, { kind: 'view' }, this.groups.texts, ...pins, this.groups.heads];
    }
    if (parent.kind !== 'group') return [];
    switch (parent.group) {
      case 'texts':
        return this.shown.uris.flatMap(uri => this.shown.of(uri).map((text): Node => ({ kind: 'text', uri, text })));
      case 'pins':
        return [...this.pins.values()];
      case 'heads':
        return this.heads();
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case 'model': {
        const { model } = this.status;
        const item = new vscode.TreeItem(model?.name ?? vscode.l10n.t('No model yet'));
        if (model) {
          item.description = vscode.l10n.t(
            '{0}, layers × heads: {1} × {2}',
            model.modelType,
            model.layers,
            model.heads,
          );
        }
        item.tooltip = vscode.l10n.t('Choose a model');
        item.iconPath = new vscode.ThemeIcon('chip');
        item.command = { command: 'attentionLens.selectModel', title: vscode.l10n.t('Choose a model') };
        return item;
      }
      case 'view': {
        const item = new vscode.TreeItem(viewLabel(this.view.value, this.status.resolvedView));
        item.tooltip = vscode.l10n.t('Select layer and head');
        item.iconPath = new vscode.ThemeIcon('layers');
        item.command = { command: 'attentionLens.selectHead', title: vscode.l10n.t('Select layer and head') };
        return item;
      }
      case 'group': {
        const isOpen = node.group !== 'heads';
        const item = new vscode.TreeItem(
          this.titleOf(node.group),
          vscode.TreeItemCollapsibleState[isOpen ? 'Expanded' : 'Collapsed'],
        );
        item.id = node.group;
        return item;
      }
      case 'text': {
        const { uri, text } = node;
        const range = toRange(text.extent ?? text.asked);
        const item = new vscode.TreeItem(uri);
        item.description = vscode.l10n.t('line {0}', range.start.line + 1);
        item.iconPath = new vscode.ThemeIcon('eye');
        item.command = openAt(uri, range.start);
        return item;
      }
      case 'pin': {
        const range = toRange(node.range);
        const item = new vscode.TreeItem(`“${node.word}”`);
        item.description = vscode.l10n.t('line {0}', range.start.line + 1);
        item.iconPath = new vscode.ThemeIcon('pinned');
        item.contextValue = 'pin';
        item.command = openAt(node.uri, range.start);
        return item;
      }
      case 'head': {
        const view: View = { layer: node.layer, head: node.head };
        const item = new vscode.TreeItem(viewLabel(view));
        const pattern = patternOf(node.profile);
        if (pattern) item.description = vscode.l10n.t(messages[pattern.label]);
        item.iconPath = new vscode.ThemeIcon(this.isShown(view) ? 'circle-filled' : 'circle-outline');
        item.command = {
          command: 'attentionLens.showHead',
          title: vscode.l10n.t('Show this head'),
          arguments: [view],
        };
        return item;
      }
      case 'notice': {
        const item = new vscode.TreeItem(node.message);
        item.iconPath = new vscode.ThemeIcon('info');
        return item;
      }
    }
  }

  private titleOf(group: Group): string {
    switch (group) {
      case 'texts':
        return vscode.l10n.t('Texts');
      case 'pins':
        return vscode.l10n.t('Pinned queries');
      case 'heads':
        return vscode.l10n.t('Heads');
    }
  }

  private isShown(view: View): boolean {
    const { value } = this.view;
    const { layer, head } = value.layer === 'auto' ? (this.status.resolvedView ?? value) : value;
    return layer === view.layer && head === view.head;
  }

  /** What each head does on the first shown text; asked for when the list is opened. */
  private async heads(): Promise<Node[]> {
    const uri = this.shown.uris[0];
    const text = uri && this.shown.of(uri)[0];
    if (!text) return [];
    const source = new vscode.CancellationTokenSource();
    try {
      const scope = { textDocument: { uri: uri.toString() }, range: text.asked };
      const { stack } = this.view.value;
      const result = await this.server.request(
        'attentionLens/profiles',
        { scope, ...(stack ? { stack } : {}) },
        source.token,
      );
      if (!result) return [];
      if (!isDrawable(result.status)) return [{ kind: 'notice', message: result.message ?? '' }];
      return headsOf(result.profiles).map(head => ({ kind: 'head', ...head }));
    } catch (error) {
      return [{ kind: 'notice', message: error instanceof Error ? error.message : String(error) }];
    } finally {
      source.dispose();
    }
  }

  /** True when that is news. */
  private notePin(document: vscode.TextDocument, range: Range | null): boolean {
    const key = document.uri.toString();
    const word = range ? document.getText(toRange(range)) : null;
    if (this.pins.get(key)?.word === word) return false;
    if (range && word !== null) this.pins.set(key, { kind: 'pin', uri: document.uri, range, word });
    else if (!this.pins.delete(key)) return false;
    return true;
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

const openAt = (uri: vscode.Uri, position: vscode.Position): vscode.Command => ({
  command: 'vscode.open',
  title: vscode.l10n.t('Go to the text'),
  arguments: [uri, { selection: new vscode.Range(position, position) }],
});

import path from 'node:path';
import * as vscode from 'vscode';
import type { Hit, Question, SearchIndex, SearchResult } from '../../shared/search-protocol.js';
import { withErrorBoundary } from '../commands.js';
import type { CurrentView } from '../current-view.js';
import { type Server, ServerError } from '../server.js';
import { serverCommand } from '../server-path.js';
import type { TintDecorations } from '../tint-decorations.js';
import { grouped, type HitGroup, literal, written } from './hits.js';
import { HitOpener } from './open-hit.js';
import { pickIndex, Questions } from './questions.js';

type Node =
  | { readonly kind: 'group'; readonly group: HitGroup }
  | { readonly kind: 'hit'; readonly hit: Hit; readonly isSought?: boolean }
  | { readonly kind: 'more' };

/** Hits of one answer. */
const page = 100;
const indexKey = 'corpusSearchIndex';
const viewId = 'attentionLens.search';
/**
 * Stands there, collapsed, until an index is open. A view of its own because VS Code gives a view its initial size when it comes into the container, and one
 * that is only expanded the least size that there is.
 */
const welcomeId = 'attentionLens.searchWelcome';

/** The view that searches corpus runs: an index, a question to it, and the hits by document. */
export class CorpusSearch implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly view: vscode.TreeView<Node>;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly opener: HitOpener;
  private readonly questions: Questions;
  private readonly subscriptions: vscode.Disposable[];
  private index: string | undefined;
  private question: Question | undefined;
  private found: SearchResult = { hits: [], more: false };
  private running: vscode.CancellationTokenSource | undefined;

  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    private readonly server: Server,
    private readonly memento: vscode.Memento,
    decorations: TintDecorations,
    view: CurrentView,
  ) {
    this.opener = new HitOpener(decorations);
    this.questions = new Questions(memento, view);
    this.view = vscode.window.createTreeView(viewId, { treeDataProvider: this, showCollapseAll: true });
    this.subscriptions = [
      this.changed,
      this.opener,
      this.view,
      vscode.window.createTreeView<Node>(welcomeId, {
        treeDataProvider: { getChildren: () => [], getTreeItem: node => this.getTreeItem(node) },
      }),
      ...Object.entries(this.commands).map(([name, run]) =>
        vscode.commands.registerCommand(`attentionLens.${name}`, (argument: unknown) =>
          withErrorBoundary(server.log, () => run(argument)),
        ),
      ),
    ];
    this.use(memento.get<string>(indexKey));
  }

  private readonly commands: Record<string, (argument: unknown) => Promise<void> | void> = {
    openSearchIndex: async () => {
      if (await this.open()) await this.ask();
    },
    searchCorpus: () => this.ask(),
    searchNearest: () => this.askAtCursor(),
    prepareSearchIndex: () => this.prepare(),
    moreSearchHits: () => this.search(this.question, this.found),
    openSearchHit: node =>
      isHitNode(node) && this.index !== undefined ? this.opener.open(node.hit, this.index) : undefined,
    cancelSearch: () => this.running?.cancel(),
    clearSearch: () => {
      this.running?.cancel();
      this.opener.clear();
      this.show(undefined, { hits: [], more: false });
    },
  };

  getChildren(parent?: Node): Node[] {
    if (parent) return parent.kind === 'group' ? parent.group.hits.map(hit => ({ kind: 'hit', hit })) : [];
    const { hits, more, sought } = this.found;
    return [
      ...(sought ? [{ kind: 'hit' as const, hit: sought, isSought: true }] : []),
      ...grouped(hits).map(group => ({ kind: 'group' as const, group })),
      ...(more ? [{ kind: 'more' as const }] : []),
    ];
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case 'group': {
        const { document, hits } = node.group;
        const item = new vscode.TreeItem(path.basename(document), vscode.TreeItemCollapsibleState.Expanded);
        item.id = document;
        item.description = hitsOf(hits.length);
        item.tooltip = document;
        item.iconPath = new vscode.ThemeIcon('file');
        return item;
      }
      case 'hit': {
        const { hit } = node;
        const { label, highlights, description } = written(hit);
        const item = new vscode.TreeItem({ label, highlights });
        item.description = node.isSought ? vscode.l10n.t('the word that the others are like') : description;
        item.tooltip = tooltipOf(hit);
        item.accessibilityInformation = { label: `${hit.word}, ${description}, ${hit.context}` };
        if (node.isSought) item.iconPath = new vscode.ThemeIcon('target');
        item.command = {
          command: 'attentionLens.openSearchHit',
          title: vscode.l10n.t('Go to the text'),
          arguments: [node],
        };
        return item;
      }
      case 'more': {
        const item = new vscode.TreeItem(vscode.l10n.t('More hits…'));
        item.iconPath = new vscode.ThemeIcon('ellipsis');
        item.command = { command: 'attentionLens.moreSearchHits', title: vscode.l10n.t('More hits…') };
        return item;
      }
    }
  }

  /** Chooses an index and holds it against its reader. @returns true when there is one now. */
  private async open(): Promise<boolean> {
    const chosen = await pickIndex(vscode.l10n.t('Open the index of a corpus run'));
    if (chosen === undefined || !(await this.read(chosen))) return false;
    this.use(chosen);
    await this.memento.update(indexKey, chosen);
    this.show(undefined, { hits: [], more: false });
    return true;
  }

  private use(index: string | undefined): void {
    this.index = index;
    this.view.description = index ? path.basename(path.dirname(index)) : '';
    void vscode.commands.executeCommand('setContext', 'attentionLens.hasSearchIndex', index !== undefined);
  }

  private async ask(): Promise<void> {
    if (this.index === undefined && !(await this.open())) return;
    const { index } = this;
    const holds = index === undefined ? undefined : await this.read(index);
    if (index === undefined || !holds) return;
    const question = await this.questions.ask(holds, index);
    if (question) await this.search(question);
  }

  private async askAtCursor(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const question = editor && this.questions.atCursor(editor);
    if (!question) throw new ServerError(vscode.l10n.t('Put the cursor on a word, or select one.'));
    if (this.index === undefined && !(await this.open())) return;
    await this.search(question);
  }

  /** An index that is not there any more, or is none, is not kept. */
  private async read(index: string): Promise<SearchIndex | undefined> {
    const source = new vscode.CancellationTokenSource();
    try {
      return await this.server.request('attentionLens/searchIndex', { path: index }, source.token);
    } catch (error) {
      if (index === this.index) {
        this.use(undefined);
        await this.memento.update(indexKey, undefined);
      }
      throw error;
    } finally {
      source.dispose();
    }
  }

  /** A newer question ends the older one. `known` are hits that more are asked to. */
  private async search(question: Question | undefined, known?: SearchResult): Promise<void> {
    const { index } = this;
    if (!question || index === undefined) return;
    this.running?.cancel();
    const source = new vscode.CancellationTokenSource();
    this.running = source;
    await vscode.commands.executeCommand('setContext', 'attentionLens.isSearching', true);
    // VS Code passes hits on once a view has shown what it had; a view that came up with new hits would lay them out twice, and lose a click in between.
    const shown = vscode.commands.executeCommand(`${viewId}.focus`);
    try {
      const hits = known?.hits ?? [];
      const asked = question.find === 'nearest' ? { ...question, word: literal(question.word) } : question;
      const answer = await vscode.window.withProgress({ location: { viewId } }, () =>
        this.server.request('attentionLens/search', { ...asked, index, skip: hits.length, most: page }, source.token),
      );
      await shown;
      if (answer && this.running === source) this.show(question, { ...answer, hits: [...hits, ...answer.hits] });
    } finally {
      source.dispose();
      if (this.running === source) {
        this.running = undefined;
        void vscode.commands.executeCommand('setContext', 'attentionLens.isSearching', false);
      }
    }
  }

  private show(question: Question | undefined, found: SearchResult): void {
    this.question = question;
    this.found = found;
    this.view.message = question ? `${spoken(question)} · ${hitsOf(found.hits.length, found.more)}` : '';
    this.changed.fire();
  }

  /** The two commands in a terminal whose PATH knows the server, for the user to change and to run. */
  private prepare(): void {
    const { command, args } = serverCommand(this.server.file());
    const own = command === 'dotnet' ? `dotnet "${args[0]}"` : path.basename(command, '.exe');
    const before = process.env.PATH ?? '';
    const terminal = vscode.window.createTerminal({
      name: 'AttentionLens',
      env: command === 'dotnet' ? {} : { PATH: `${path.dirname(command)}${path.delimiter}${before}` },
    });
    const run = 'attention-run';
    terminal.show();
    terminal.sendText(`${own} corpus run . -o ${run} --keep heads,hidden ; ${own} corpus index ${run}`, false);
  }

  dispose(): void {
    this.running?.cancel();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

const isHitNode = (value: unknown): value is Node & { kind: 'hit' } =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'hit';

const hitsOf = (count: number, more = false): string =>
  count === 1 && !more ? vscode.l10n.t('1 hit') : vscode.l10n.t('{0} hits', `${count}${more ? '+' : ''}`);

/** The question in one line. */
function spoken(question: Question): string {
  switch (question.find) {
    case 'attention':
      return vscode.l10n.t(
        'Head {0}.{1}, from {2} to {3}, at least {4}',
        question.layer,
        question.head,
        question.from,
        question.to,
        question.least,
      );
    case 'changed':
      return vscode.l10n.t('Other predictions in {0}', path.basename(path.dirname(question.other)));
    case 'nearest':
      return vscode.l10n.t('Contexts like that of “{0}”', question.word);
  }
}

const tooltipOf = ({ context, word, other, score, document }: Hit): string =>
  [context, other === undefined ? word : `${word} → ${other}`, score.toFixed(3), document].join('\n');

import * as vscode from 'vscode';
import type { Annotation, CorpusDocument } from '../../shared/annotation-protocol.js';
import { type Annotations, point } from './annotations.js';
import type { Corpus } from './corpus.js';
import { statusWords } from './label-hover.js';
import { labelsOf } from './label-words.js';
import { shorten } from './labeller.js';

export type Grouping = 'label' | 'status' | 'document';

type Node =
  | { readonly kind: 'group'; readonly key: string; readonly items: readonly Annotation[] }
  | { readonly kind: 'annotation'; readonly annotation: Annotation }
  | { readonly kind: 'document'; readonly document: CorpusDocument };

export interface Filter {
  readonly text: string;
  readonly label?: string;
  readonly status?: 'accepted' | 'suggested' | 'rejected' | 'review' | 'orphan';
}

/** What is labelled: in the active document by label or by status, or the documents of the corpus with their counts. */
export class AnnotationTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly view: vscode.TreeView<Node>;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly subscriptions: vscode.Disposable[];
  private grouping: Grouping;
  private filter: Filter | undefined;
  /** With a panel or this tree in focus no editor is active: the last one is meant. */
  private uri: vscode.Uri | undefined;

  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    private readonly annotations: Annotations,
    private readonly corpus: Corpus,
    private readonly memento: vscode.Memento,
  ) {
    this.grouping = memento.get<Grouping>('annotationGrouping') ?? 'label';
    this.view = vscode.window.createTreeView('attentionLens.annotations', {
      treeDataProvider: this,
      showCollapseAll: true,
    });
    const follow = () => {
      const editor = vscode.window.activeTextEditor;
      if (editor?.document.uri.scheme === 'file') this.uri = editor.document.uri;
      this.refresh();
    };
    this.subscriptions = [
      this.view,
      this.changed,
      annotations.onDidChange(() => this.refresh()),
      corpus.onDidChange(() => this.refresh()),
      vscode.window.onDidChangeActiveTextEditor(follow),
    ];
    follow();
  }

  async group(): Promise<void> {
    const words: Record<Grouping, string> = {
      label: vscode.l10n.t('This document, by label'),
      status: vscode.l10n.t('This document, by status'),
      document: vscode.l10n.t('All documents'),
    };
    const chosen = await vscode.window.showQuickPick(
      (['label', 'status', 'document'] as const).map(grouping => ({
        label: words[grouping],
        grouping,
        picked: grouping === this.grouping,
      })),
      { title: vscode.l10n.t('Show annotations of') },
    );
    if (!chosen) return;
    this.grouping = chosen.grouping;
    await this.memento.update('annotationGrouping', chosen.grouping);
    if (chosen.grouping === 'document') await this.corpus.refresh();
    this.refresh();
  }

  async choose(): Promise<void> {
    const known = this.items();
    const labels = [...new Set(known.map(({ label }) => label))].sort();
    const chosen = await vscode.window.showQuickPick(
      [
        { label: vscode.l10n.t('$(clear-all) Show everything'), filter: undefined },
        { label: vscode.l10n.t('$(search) Text …'), filter: 'text' as const },
        ...(['review', 'orphan', 'suggested', 'rejected', 'accepted'] as const).map(status => ({
          label: statusWord(status),
          filter: { text: '', status },
        })),
        ...labels.map(label => ({ label: `$(tag) ${label}`, filter: { text: '', label } })),
      ],
      { title: vscode.l10n.t('Show only') },
    );
    if (!chosen) return;
    if (chosen.filter === 'text') {
      const text = await vscode.window.showInputBox({ title: vscode.l10n.t('Show only annotations with this text') });
      if (text === undefined) return;
      this.filter = text === '' ? undefined : { text };
    } else this.filter = chosen.filter;
    this.refresh();
  }

  private items(): readonly Annotation[] {
    return (this.uri && this.annotations.of(this.uri)?.annotations) ?? [];
  }

  private refresh(): void {
    const all = this.items().filter(({ own }) => own);
    const doubtful = all.filter(({ status, state }) => status === 'accepted' && state !== 'anchored').length;
    this.view.badge = doubtful > 0 ? { value: doubtful, tooltip: vscode.l10n.t('{0} to review', doubtful) } : undefined;
    const { filter } = this;
    this.view.description = filter
      ? filter.text || (filter.label ?? (filter.status ? statusWord(filter.status) : ''))
      : '';
    this.changed.fire();
  }

  getChildren(parent?: Node): Node[] {
    if (parent?.kind === 'group') return parent.items.map(annotation => ({ kind: 'annotation', annotation }));
    if (parent) return [];
    if (this.grouping === 'document') {
      const text = this.filter?.text.toLowerCase() ?? '';
      return this.corpus.documents
        .filter(({ name }) => name.toLowerCase().includes(text))
        .map(document => ({ kind: 'document', document }));
    }
    const groups = new Map<string, Annotation[]>();
    for (const annotation of this.items().filter(annotation => fits(annotation, this.filter))) {
      const key = this.grouping === 'label' ? annotation.label : statusWords(annotation);
      const group = groups.get(key);
      if (group) group.push(annotation);
      else groups.set(key, [annotation]);
    }
    return [...groups].sort(([a], [b]) => a.localeCompare(b)).map(([key, items]) => ({ kind: 'group', key, items }));
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case 'group': {
        const item = new vscode.TreeItem(node.key, vscode.TreeItemCollapsibleState.Expanded);
        item.id = `${this.grouping} ${node.key}`;
        item.description = String(node.items.length);
        item.iconPath = new vscode.ThemeIcon(this.grouping === 'label' ? 'tag' : 'list-filter');
        return item;
      }
      case 'annotation': {
        const { annotation } = node;
        const [range] = annotation.ranges;
        const item = new vscode.TreeItem(shorten(this.textOf(annotation)));
        item.description = [
          range && vscode.l10n.t('line {0}', range.start.line + 1),
          this.grouping === 'label'
            ? annotation.status === 'accepted' && annotation.state === 'anchored'
              ? ''
              : statusWords(annotation)
            : annotation.label,
          annotation.own ? '' : annotation.annotator || vscode.l10n.t('another annotator'),
        ]
          .filter(Boolean)
          .join(' · ');
        item.iconPath = new vscode.ThemeIcon(iconOf(annotation));
        item.contextValue = annotation.own ? 'attentionLens.ownAnnotation' : 'attentionLens.annotation';
        if (this.uri && range) {
          item.command = {
            command: 'vscode.open',
            title: vscode.l10n.t('Go to the text'),
            arguments: [
              this.uri,
              { selection: new vscode.Range(point(range.start), point(range.end)), preview: false },
            ],
          };
        }
        return item;
      }
      case 'document': {
        const { document } = node;
        const uri = vscode.Uri.parse(document.uri, true);
        const item = new vscode.TreeItem(document.name);
        const total = Object.values(document.labels).reduce((sum, n) => sum + n, 0);
        item.description = [
          labelsOf(total),
          document.suggested > 0 && vscode.l10n.t('{0} suggested', document.suggested),
          document.review + document.orphans > 0 && vscode.l10n.t('{0} to review', document.review + document.orphans),
          document.disagreement !== undefined && vscode.l10n.t('disagreement {0}', document.disagreement.toFixed(2)),
        ]
          .filter(Boolean)
          .join(' · ');
        if (document.disagreement !== undefined) item.contextValue = 'attentionLens.comparedDocument';
        item.tooltip = Object.entries(document.labels)
          .sort((a, b) => b[1] - a[1])
          .map(([label, n]) => `${label}: ${n}`)
          .join('\n');
        item.iconPath = new vscode.ThemeIcon(
          document.approved ? 'pass-filled' : total > 0 ? 'circle-filled' : 'circle-outline',
        );
        item.command = { command: 'vscode.open', title: vscode.l10n.t('Open the document'), arguments: [uri] };
        return item;
      }
    }
  }

  private textOf(annotation: Annotation): string {
    if (annotation.kind === 'document') return vscode.l10n.t('(the document)');
    if (annotation.kind === 'span') return annotation.quote ?? '';
    const quote = (id: string | undefined) =>
      this.items().find(other => other.own === annotation.own && other.id === id)?.quote ?? '?';
    return `${shorten(quote(annotation.from))} → ${shorten(quote(annotation.to))}`;
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

const fits = ({ label, quote, status, state }: Annotation, filter: Filter | undefined): boolean => {
  if (!filter) return status !== 'rejected';
  if (filter.label !== undefined && label !== filter.label) return false;
  if (filter.status === 'review' || filter.status === 'orphan') return status === 'accepted' && state === filter.status;
  if (filter.status !== undefined && status !== filter.status) return false;
  return (quote ?? '').toLowerCase().includes(filter.text.toLowerCase());
};

const statusWord = (status: NonNullable<Filter['status']>): string =>
  ({
    accepted: vscode.l10n.t('accepted'),
    suggested: vscode.l10n.t('suggested'),
    rejected: vscode.l10n.t('rejected'),
    review: vscode.l10n.t('to review'),
    orphan: vscode.l10n.t('without text'),
  })[status];

const iconOf = ({ status, state, kind }: Annotation): string => {
  if (status === 'suggested') return 'question';
  if (status === 'rejected') return 'circle-slash';
  if (state === 'review') return 'warning';
  if (state === 'orphan') return 'debug-disconnect';
  return kind === 'relation' ? 'references' : kind === 'document' ? 'file' : 'tag';
};

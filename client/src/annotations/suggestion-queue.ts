import * as vscode from 'vscode';
import type { Annotation, NextAnnotationParams } from '../../shared/annotation-protocol.js';
import { ServerError } from '../server.js';
import { plain } from '../shown-texts.js';
import { type Annotations, point } from './annotations.js';
import type { LabelDecorations } from './label-decorations.js';
import { type Labeller, labelledEditor, shorten } from './labeller.js';

/** Goes from one thing to judge to the next: suggestions as yes or no, doubtful places, text without a label. */
export class SuggestionQueue implements vscode.Disposable {
  private current: { readonly uri: string; readonly id: string } | undefined;
  private readonly moved = new vscode.EventEmitter<void>();
  private order: NonNullable<NextAnnotationParams['order']> = 'position';
  /** How many were left at the last step. */
  left = 0;

  readonly onDidMove = this.moved.event;

  constructor(
    private readonly annotations: Annotations,
    private readonly decorations: LabelDecorations,
    private readonly labeller: Labeller,
  ) {}

  /** The suggestion that is asked about, if it still is one. */
  get suggestion(): Annotation | undefined {
    const editor = vscode.window.activeTextEditor;
    if (!this.current || editor?.document.uri.toString() !== this.current.uri) return undefined;
    return this.annotations
      .of(editor.document.uri)
      ?.annotations.find(({ id, own, status }) => own && id === this.current?.id && status === 'suggested');
  }

  /** Goes to the next of a kind. @returns false when there is none. */
  async go(kind: NextAnnotationParams['kind'], backward = false): Promise<boolean> {
    const editor = labelledEditor();
    const { document } = editor;
    await this.annotations.load(document);
    const after = this.current?.uri === document.uri.toString() ? this.current.id : undefined;
    const next = await this.annotations
      .ask('attentionLens/nextAnnotation', {
        textDocument: { uri: document.uri.toString() },
        position: plain(editor.selection).start,
        kind,
        backward,
        ...(after ? { after } : {}),
        order: kind === 'suggestion' ? this.order : 'position',
      })
      .catch(error => {
        if (!(error instanceof ServerError)) throw error;
        vscode.window.setStatusBarMessage(error.message, 5000);
        return undefined;
      });
    if (!next) {
      this.show(undefined);
      return false;
    }
    this.left = next.count ?? 0;
    if (next.range)
      reveal(editor, new vscode.Range(point(next.range.start), point(next.range.end)), kind !== 'unlabelled');
    else this.explainOrphan(document, next.id);
    this.current = next.id ? { uri: document.uri.toString(), id: next.id } : undefined;
    this.show(kind === 'suggestion' ? document : undefined, next.id);
    if (kind === 'suggestion' && next.id && !this.suggestion?.shown) {
      // What a person has seen before judging is part of the record.
      await this.annotations.apply(document, { change: [{ id: next.id, shown: true }] });
    }
    return true;
  }

  /** Yes or no to the suggestion that is asked about, and on to the next; yes also confirms the doubtful place at the cursor. */
  async judge(accept: boolean): Promise<void> {
    const { document } = labelledEditor();
    await this.annotations.load(document);
    const { suggestion } = this;
    if (!suggestion) {
      const at = await this.labeller.ownAtCursor();
      if (!at) return;
      if (!accept) await this.labeller.remove(at.id);
      else if (at.state === 'review') {
        await this.annotations.apply(document, {
          change: [{ id: at.id, status: 'accepted' }],
          title: vscode.l10n.t('confirm {0}', at.label),
        });
        await this.go('review');
      }
      return;
    }
    const action = {
      change: [{ id: suggestion.id, status: accept ? ('accepted' as const) : ('rejected' as const) }],
      title: accept ? vscode.l10n.t('accept {0}', suggestion.label) : vscode.l10n.t('reject {0}', suggestion.label),
    };
    // The next one is found from this one's place, before it leaves the queue.
    await this.annotations.apply(document, action);
    this.current = undefined;
    await this.go('suggestion');
  }

  /** Makes suggestions of every place like the label at the cursor, and begins with the first. */
  async findSimilar(): Promise<boolean> {
    const { document } = labelledEditor();
    const example = await this.labeller.ownAtCursor();
    if (!example) return false;
    const spans = await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: vscode.l10n.t('Looking for text like "{0}"', shorten(example.quote ?? '')),
        cancellable: true,
      },
      async (_, token) =>
        (
          await this.annotations.ask(
            'attentionLens/similarSpans',
            { textDocument: { uri: document.uri.toString() }, id: example.id },
            token,
          )
        ).spans ?? [],
    );
    if (spans.length === 0) {
      vscode.window.setStatusBarMessage(
        vscode.l10n.t('Nothing like "{0}" is left without a label.', shorten(example.quote ?? '')),
        5000,
      );
      return false;
    }
    await this.annotations.add(
      document,
      spans.length === 1
        ? vscode.l10n.t('suggest {0} once', example.label)
        : vscode.l10n.t('suggest {0} {1} times', example.label, spans.length),
      ...spans.map(({ range, source, score }) => ({
        kind: 'span' as const,
        label: example.label,
        ranges: [range],
        status: 'suggested' as const,
        source,
        score,
      })),
    );
    this.current = undefined;
    return this.go('suggestion');
  }

  /** Texts that are labelled in one place and not in another; the chosen ones become suggestions. */
  async checkConsistency(): Promise<boolean> {
    const { document } = labelledEditor();
    await this.annotations.load(document);
    const { texts = [] } = await this.annotations.ask('attentionLens/labelConsistency', {
      textDocument: { uri: document.uri.toString() },
    });
    if (texts.length === 0) {
      void vscode.window.showInformationMessage(
        vscode.l10n.t('Every text that is labelled somewhere is labelled everywhere in this document.'),
      );
      return false;
    }
    const chosen = await vscode.window.showQuickPick(
      texts.map(text => ({
        label: shorten(text.text),
        description: Object.entries(text.labels)
          .map(([label, count]) => `${label} × ${count}`)
          .join(', '),
        detail:
          text.unlabelled.length === 1
            ? vscode.l10n.t('once without a label')
            : vscode.l10n.t('{0} times without a label', text.unlabelled.length),
        picked: true,
        text,
      })),
      {
        title: vscode.l10n.t('Labelled here, not labelled there: suggest the label for'),
        canPickMany: true,
        matchOnDescription: true,
      },
    );
    if (!chosen || chosen.length === 0) return false;
    await this.annotations.add(
      document,
      vscode.l10n.t('suggest for consistency'),
      ...chosen.flatMap(({ text }) => {
        // The label that the text has most often; how often says how sure that is.
        const sorted = Object.entries(text.labels).sort((a, b) => b[1] - a[1]);
        const [label, count] = sorted[0] ?? ['', 0];
        const total = sorted.reduce((sum, [, n]) => sum + n, 0);
        return text.unlabelled.map(range => ({
          kind: 'span' as const,
          label,
          ranges: [range],
          status: 'suggested' as const,
          source: 'consistency',
          score: count / total,
        }));
      }),
    );
    this.current = undefined;
    return this.go('suggestion');
  }

  toggleOrder(): void {
    this.order = this.order === 'uncertain' ? 'position' : 'uncertain';
    vscode.window.setStatusBarMessage(
      this.order === 'uncertain'
        ? vscode.l10n.t('Suggestions: the least certain first')
        : vscode.l10n.t('Suggestions: in the order of the text'),
      4000,
    );
  }

  /** Takes the suggestion off the screen. */
  leave(): void {
    this.show(undefined);
    this.current = undefined;
  }

  private show(document: vscode.TextDocument | undefined, id?: string): void {
    this.decorations.focus(document, id);
    this.moved.fire();
  }

  private explainOrphan(document: vscode.TextDocument, id: string | undefined): void {
    const orphan = this.annotations.of(document.uri)?.annotations.find(annotation => annotation.id === id);
    if (orphan) {
      vscode.window.setStatusBarMessage(
        vscode.l10n.t(
          '{0} "{1}": its text is gone. Label it where it belongs, or delete it in the tree.',
          orphan.label,
          shorten(orphan.quote ?? ''),
        ),
        10_000,
      );
    }
  }

  dispose(): void {
    this.moved.dispose();
  }
}

function reveal(editor: vscode.TextEditor, range: vscode.Range, isSelected: boolean): void {
  editor.selection = isSelected
    ? new vscode.Selection(range.start, range.end)
    : new vscode.Selection(range.start, range.start);
  editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

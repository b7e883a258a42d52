import * as vscode from 'vscode';
import type { Annotation, AnnotationsResult } from '../../shared/annotation-protocol.js';
import type { TintsResult } from '../../shared/protocol.js';
import type { CurrentView } from '../current-view.js';
import { documentSelector, type Server } from '../server.js';
import { annotationSettings } from '../settings.js';
import { viewLabel } from '../view-words.js';
import type { Annotations } from './annotations.js';
import type { LabelDecorations } from './label-decorations.js';

const evidenceCount = 5;

/** Says of a span what it is, whose it is, how sure its place is, and where the model looks from it. */
export class LabelHover implements vscode.HoverProvider, vscode.Disposable {
  private readonly registration: vscode.Disposable;

  constructor(
    private readonly server: Server,
    private readonly annotations: Annotations,
    private readonly decorations: LabelDecorations,
    private readonly view: CurrentView,
  ) {
    this.registration = vscode.languages.registerHoverProvider(documentSelector, this);
  }

  async provideHover(
    document: vscode.TextDocument,
    position: vscode.Position,
    token: vscode.CancellationToken,
  ): Promise<vscode.Hover | undefined> {
    const result = this.annotations.current(document);
    const found = this.annotations.at(document, position).filter(item => this.decorations.isVisible(document, item));
    const [innermost] = found;
    if (!result || !innermost) return undefined;
    const text = new vscode.MarkdownString();
    for (const [index, annotation] of found.entries()) {
      if (index > 0) text.appendMarkdown('\n\n---\n\n');
      describe(text, annotation, result);
    }
    // An open suggestion stands without evidence: it is to be judged by the text.
    if (annotationSettings().evidence && innermost.status === 'accepted') {
      await this.appendEvidence(text, document, innermost, token).catch(() => undefined);
    }
    return new vscode.Hover(text);
  }

  private async appendEvidence(
    text: vscode.MarkdownString,
    document: vscode.TextDocument,
    annotation: Annotation,
    token: vscode.CancellationToken,
  ): Promise<void> {
    const [query] = annotation.ranges;
    if (!query) return;
    const answer = await this.server.request(
      'attentionLens/tints',
      {
        scope: { textDocument: { uri: document.uri.toString() }, range: { start: query.start, end: query.start } },
        view: this.view.value,
        query,
        unit: 'word',
      },
      token,
    );
    if (!answer || answer.version !== document.version || answer.mode !== 'row') return;
    const strongest = rows(answer, document).slice(0, evidenceCount);
    if (strongest.length === 0) return;
    text.appendMarkdown('\n\n');
    text.appendText(vscode.l10n.t('Words it looks at most ({0}):', viewLabel(answer.view)));
    text.appendMarkdown('\n\n');
    for (const { word, weight } of strongest) {
      text.appendMarkdown('- ');
      text.appendText(`${word} ${weight.toFixed(3)}`);
      text.appendMarkdown('\n');
    }
  }

  dispose(): void {
    this.registration.dispose();
  }
}

function rows({ tokens, weights }: TintsResult, document: vscode.TextDocument) {
  const found: { word: string; weight: number }[] = [];
  for (const [index, weight] of weights.entries()) {
    const [startLine = 0, start = 0, endLine = 0, end = 0] = tokens.slice(index * 5, index * 5 + 4);
    const word = document.getText(new vscode.Range(startLine, start, endLine, end));
    // Much attention rests on punctuation; that is no evidence for a label.
    if (weight > 0 && /[\p{L}\p{N}]/u.test(word)) found.push({ word, weight });
  }
  return found.sort((a, b) => b.weight - a.weight);
}

export function statusWords({ status, state }: Annotation): string {
  if (status === 'suggested') return vscode.l10n.t('suggested, not judged yet');
  if (status === 'rejected') return vscode.l10n.t('rejected');
  if (state === 'review') return vscode.l10n.t('to review: found again by its text alone');
  if (state === 'orphan') return vscode.l10n.t('its text is gone');
  return vscode.l10n.t('accepted');
}

function describe(
  text: vscode.MarkdownString,
  annotation: Annotation,
  { labels, annotations, annotator }: AnnotationsResult,
) {
  const label = labels.spans.find(({ name }) => name === annotation.label);
  text.appendMarkdown('**');
  text.appendText(annotation.label);
  text.appendMarkdown('**');
  if (label?.title && label.title !== annotation.label) text.appendText(` ${label.title}`);
  const who = annotation.own
    ? (annotator ?? vscode.l10n.t('you'))
    : annotation.annotator || vscode.l10n.t('the file without a name');
  text.appendText(` · ${who} · ${statusWords(annotation)}`);
  if (annotation.source) {
    const score = annotation.score === undefined ? '' : ` ${annotation.score.toFixed(2)}`;
    text.appendText(` · ${vscode.l10n.t('proposed by {0}', annotation.source)}${score}`);
  }
  if (label?.description) {
    text.appendMarkdown('\n\n');
    text.appendText(label.description);
  }
  for (const [name, value] of Object.entries(annotation.attributes ?? {})) {
    text.appendMarkdown('\n\n');
    text.appendText(`${name}: ${value}`);
  }
  for (const relation of annotations) {
    if (relation.kind !== 'relation' || relation.own !== annotation.own) continue;
    const isFrom = relation.from === annotation.id;
    if (!isFrom && relation.to !== annotation.id) continue;
    const other = annotations.find(
      ({ id, own }) => own === annotation.own && id === (isFrom ? relation.to : relation.from),
    );
    text.appendMarkdown('\n\n');
    text.appendText(`${isFrom ? '→' : '←'} ${relation.label} ${other?.quote ?? ''}`);
  }
}

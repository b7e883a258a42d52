import * as vscode from 'vscode';
import type { PairedText, Range, Scope } from '../shared/protocol.js';
import { contains, isEmpty, shiftRange } from './text-ranges.js';

/** One stretch of text whose attention is shown. Its ranges move with edits. */
export interface ShownText {
  readonly id: number;
  /** What was asked for: a selection, or an empty range that stands for the segment around it. */
  readonly asked: Range;
  /** What the server made of it. Null until its first answer. */
  readonly extent: Range | null;
  /** The shown text that goes through the model together with this one. */
  readonly partner?: Partner;
}

interface Partner {
  readonly uri: string;
  readonly id: number;
  /** It is the source, this text is the target. */
  readonly isSource: boolean;
}

export interface Place {
  readonly uri: vscode.Uri;
  readonly range: Range;
}

export type ShownChange = 'scope' | 'edit';

/** Which texts are shown, per document: the one place that knows. */
export class ShownTexts implements vscode.Disposable {
  private readonly texts = new Map<string, ShownText[]>();
  private readonly changed = new vscode.EventEmitter<{ uri: vscode.Uri; change: ShownChange }>();
  private readonly subscriptions: vscode.Disposable[];
  private nextId = 1;

  readonly onDidChange = this.changed.event;

  constructor() {
    this.subscriptions = [
      this.changed,
      vscode.workspace.onDidChangeTextDocument(event => this.follow(event)),
      vscode.workspace.onDidCloseTextDocument(document => {
        // A text whose partner has gone goes on alone.
        const texts = this.of(document.uri);
        if (this.texts.delete(document.uri.toString())) this.tell([document.uri, ...partnersOf(texts)]);
      }),
    ];
  }

  get isAny(): boolean {
    return this.texts.size > 0;
  }

  of(uri: vscode.Uri): readonly ShownText[] {
    return this.texts.get(uri.toString()) ?? [];
  }

  get uris(): vscode.Uri[] {
    return [...this.texts.keys()].map(uri => vscode.Uri.parse(uri, true));
  }

  /** The shown text around a position; a text whose extent is not known yet counts by its anchor's line. */
  at(uri: vscode.Uri, position: vscode.Position): ShownText | undefined {
    return this.of(uri).find(text => {
      const range = text.extent ?? text.asked;
      return isEmpty(range) ? range.start.line === position.line : contains(range, position);
    });
  }

  show(uri: vscode.Uri, ranges: readonly Range[]): void {
    const gone = this.drop(uri);
    this.texts.set(
      uri.toString(),
      ranges.map(range => this.text(range)),
    );
    this.tell([uri, ...gone]);
  }

  /** Two texts, of two documents or of one, as one question. */
  showPair(source: Place, target: Place): void {
    const gone = [...this.drop(source.uri), ...this.drop(target.uri)];
    this.join(source.uri, this.text(source.range), target.uri, this.text(target.range), true);
    this.tell([source.uri, target.uri, ...gone]);
  }

  /** The server has read a shown text together with one of another document: that one is shown with it. */
  follows(uri: vscode.Uri, id: number, pair: PairedText): void {
    const text = this.of(uri).find(shown => shown.id === id);
    if (!text || text.partner) return;
    const other = vscode.Uri.parse(pair.uri, true);
    const gone = this.drop(other);
    this.texts.set(
      uri.toString(),
      this.of(uri).filter(shown => shown.id !== id),
    );
    this.join(uri, text, other, this.text(pair.range), !pair.source);
    this.tell([other, ...gone]);
  }

  private join(uri: vscode.Uri, text: ShownText, otherUri: vscode.Uri, other: ShownText, isSource: boolean): void {
    const add = (to: vscode.Uri, added: ShownText) => this.texts.set(to.toString(), [...this.of(to), added]);
    add(uri, { ...text, partner: { uri: otherUri.toString(), id: other.id, isSource: !isSource } });
    add(otherUri, { ...other, partner: { uri: uri.toString(), id: text.id, isSource } });
  }

  private text(range: Range): ShownText {
    const asked = plain(range);
    return { id: this.nextId++, asked, extent: isEmpty(asked) ? null : asked };
  }

  /** The other text of a pair, while it is shown. */
  partnerOf({ partner }: ShownText): { uri: vscode.Uri; text: ShownText } | undefined {
    const uri = partner && vscode.Uri.parse(partner.uri, true);
    const text = uri && this.of(uri).find(({ id }) => id === partner.id);
    return text && { uri, text };
  }

  /** What the server is asked about for a shown text. */
  scopeOf(uri: vscode.Uri, text: ShownText): Scope {
    const partner = this.partnerOf(text);
    return {
      textDocument: { uri: uri.toString() },
      range: text.asked,
      ...(partner && {
        pair: {
          textDocument: { uri: partner.uri.toString() },
          range: partner.text.asked,
          source: text.partner?.isSource ?? false,
        },
      }),
    };
  }

  clear(uri: vscode.Uri): void {
    this.tell(this.drop(uri));
  }

  /** Forgets the texts of a document and those that are paired with them; the documents in which something went. */
  private drop(uri: vscode.Uri): vscode.Uri[] {
    const texts = this.of(uri);
    if (!this.texts.delete(uri.toString())) return [];
    return [uri, ...partnersOf(texts).flatMap(partner => this.drop(partner))];
  }

  private tell(uris: readonly vscode.Uri[]): void {
    for (const uri of new Map(uris.map(uri => [uri.toString(), uri])).values()) {
      this.changed.fire({ uri, change: 'scope' });
    }
  }

  clearAll(): void {
    for (const uri of this.uris) this.clear(uri);
  }

  /** Notes the extent that the server resolved; not a change that anyone must react to. */
  resolve(uri: vscode.Uri, id: number, extent: Range): void {
    const texts = this.texts.get(uri.toString());
    const index = texts?.findIndex(text => text.id === id) ?? -1;
    const text = texts?.[index];
    if (texts && text) texts[index] = { ...text, extent };
  }

  private follow(event: vscode.TextDocumentChangeEvent): void {
    const texts = this.texts.get(event.document.uri.toString());
    if (!texts || event.contentChanges.length === 0) return;
    for (const [index, text] of texts.entries()) {
      texts[index] = {
        ...text,
        asked: shiftRange(text.asked, event.contentChanges),
        extent: text.extent && shiftRange(text.extent, event.contentChanges),
      };
    }
    this.changed.fire({ uri: event.document.uri, change: 'edit' });
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

const partnersOf = (texts: readonly ShownText[]): vscode.Uri[] =>
  texts.flatMap(({ partner }) => (partner ? [vscode.Uri.parse(partner.uri, true)] : []));

/** VS Code's own Range fits the type but travels as a pair of positions, which the protocol does not know. */
export const plain = ({ start, end }: Range): Range => ({
  start: { line: start.line, character: start.character },
  end: { line: end.line, character: end.character },
});

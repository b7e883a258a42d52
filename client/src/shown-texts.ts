import * as vscode from 'vscode';
import type { Range } from '../shared/protocol.js';
import { contains, isEmpty, shiftRange } from './text-ranges.js';

/** One stretch of text whose attention is shown. Its ranges move with edits. */
export interface ShownText {
  readonly id: number;
  /** What was asked for: a selection, or an empty range that stands for the segment around it. */
  readonly asked: Range;
  /** What the server made of it. Null until its first answer. */
  readonly extent: Range | null;
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
        if (this.texts.delete(document.uri.toString())) this.changed.fire({ uri: document.uri, change: 'scope' });
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
    const texts = ranges.map(range => {
      const asked = plain(range);
      return { id: this.nextId++, asked, extent: isEmpty(asked) ? null : asked };
    });
    this.texts.set(uri.toString(), texts);
    this.changed.fire({ uri, change: 'scope' });
  }

  clear(uri: vscode.Uri): void {
    if (this.texts.delete(uri.toString())) this.changed.fire({ uri, change: 'scope' });
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

/** VS Code's own Range fits the type but travels as a pair of positions, which the protocol does not know. */
export const plain = ({ start, end }: Range): Range => ({
  start: { line: start.line, character: start.character },
  end: { line: end.line, character: end.character },
});

import * as vscode from 'vscode';
import type { Range, TintsResult } from '../shared/protocol.js';
import { bucketCount, type LineSpan, rangesByBucket } from './tint-ranges.js';

// High contrast themes have no fills: there the border carries the strength, by its style and width. Other
// themes make the same border transparent, because only colours can depend on the theme.
const borders: readonly { width: string; style: string }[] = [
  { width: '0 0 1px 0', style: 'dotted' },
  { width: '0 0 1px 0', style: 'dashed' },
  { width: '0 0 1px 0', style: 'solid' },
  { width: '0 0 2px 0', style: 'dotted' },
  { width: '0 0 2px 0', style: 'dashed' },
  { width: '0 0 2px 0', style: 'solid' },
  { width: '0 0 3px 0', style: 'double' },
  { width: '0 0 3px 0', style: 'solid' },
  { width: '1px', style: 'dashed' },
  { width: '1px', style: 'solid' },
  { width: '2px', style: 'solid' },
];

export const toRange = (range: Range): vscode.Range =>
  new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);

/** The decoration types of all tints, shared by all editors: one per bucket, never one per token. */
export class TintDecorations implements vscode.Disposable {
  private readonly weights = borders.slice(0, bucketCount).map(({ width, style }, index) =>
    vscode.window.createTextEditorDecorationType({
      backgroundColor: new vscode.ThemeColor(`attentionLens.weight${index + 1}Background`),
      borderColor: new vscode.ThemeColor(`attentionLens.weight${index + 1}Border`),
      borderWidth: width,
      borderStyle: style,
      borderRadius: '2px',
      rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    }),
  );
  private readonly query = outline('attentionLens.queryBorder', 'solid');
  private readonly marks = {
    query: outline('attentionLens.queryBorder', 'solid'),
    key: outline('attentionLens.keyBorder', 'dashed'),
  };

  paint(editor: vscode.TextEditor, results: readonly TintsResult[], lines: readonly LineSpan[]): void {
    const byBucket = rangesByBucket(results, lines);
    for (const [index, type] of this.weights.entries()) {
      editor.setDecorations(type, (byBucket[index] ?? []).map(toRange));
    }
    editor.setDecorations(
      this.query,
      results.flatMap(result => (result.query ? [toRange(result.query)] : [])),
    );
  }

  clear(editor: vscode.TextEditor): void {
    for (const type of [...this.weights, this.query]) editor.setDecorations(type, []);
  }

  /** Outlines of the two tokens under a panel's pointer. */
  mark(editor: vscode.TextEditor, query: Range | null, key: Range | null): void {
    editor.setDecorations(this.marks.query, query ? [toRange(query)] : []);
    editor.setDecorations(this.marks.key, key ? [toRange(key)] : []);
  }

  dispose(): void {
    vscode.Disposable.from(...this.weights, this.query, this.marks.query, this.marks.key).dispose();
  }
}

export const outline = (color: string, style: string): vscode.TextEditorDecorationType =>
  vscode.window.createTextEditorDecorationType({
    outlineColor: new vscode.ThemeColor(color),
    outlineStyle: style,
    outlineWidth: '2px',
    borderRadius: '2px',
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });

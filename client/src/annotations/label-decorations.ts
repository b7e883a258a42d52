import * as vscode from 'vscode';
import type { Annotation, Label, LabelSet } from '../../shared/annotation-protocol.js';
import { annotationSettings } from '../settings.js';
import { toRange } from '../tint-decorations.js';
import type { Annotations } from './annotations.js';

/** Lines painted above and below the visible ones. */
const margin = 50;

/** How a span is drawn; the label decides the colour. */
export type Look = 'accepted' | 'suggested' | 'review' | 'other';

const palette = ['blue', 'orange', 'green', 'purple', 'red', 'yellow'] as const;

export const lookOf = ({ own, status, state }: Annotation): Look =>
  !own ? 'other' : status === 'suggested' ? 'suggested' : state === 'review' ? 'review' : 'accepted';

const borders: Record<Look, string> = { accepted: 'solid', suggested: 'dashed', review: 'dotted', other: 'solid' };

/** What stands behind the name of a label, so that colour is not the only sign. */
const marks: Record<Look, string> = { accepted: '', suggested: '?', review: '!', other: '' };

/** Theme colour of a name in the palette: border, and fill where the theme has fills. */
const themed = (name: string, part: 'Background' | 'Border'): vscode.ThemeColor =>
  new vscode.ThemeColor(`attentionLens.label${name.charAt(0).toUpperCase()}${name.slice(1)}${part}`);

/** The colour of a label that the set does not list: by its name, so that it is the same everywhere. */
export function colorOf(label: string, labels: readonly Label[]): string {
  const known = labels.find(({ name }) => name === label)?.color;
  if (known) return known;
  let sum = 0;
  for (const char of label) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 997;
  return palette[sum % palette.length] ?? 'blue';
}

/** Draws the spans of every visible editor: one decoration type per label and look, shared by all editors. */
export class LabelDecorations implements vscode.Disposable {
  private readonly types = new Map<string, vscode.TextEditorDecorationType>();
  private readonly subscriptions: vscode.Disposable[];
  private readonly current = vscode.window.createTextEditorDecorationType({
    outlineColor: new vscode.ThemeColor('attentionLens.queryBorder'),
    outlineStyle: 'solid',
    outlineWidth: '2px',
    borderRadius: '3px',
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  /** The suggestion that is asked about: of those hidden by default the only one on the screen. */
  private focused: { uri: string; id: string } | undefined;

  constructor(private readonly annotations: Annotations) {
    const repaintAll = () => {
      for (const editor of vscode.window.visibleTextEditors) this.paint(editor);
    };
    this.subscriptions = [
      annotations.onDidChange(uri => {
        for (const editor of vscode.window.visibleTextEditors) {
          if (editor.document.uri.toString() === uri.toString()) this.paint(editor);
        }
      }),
      vscode.window.onDidChangeVisibleTextEditors(repaintAll),
      vscode.window.onDidChangeTextEditorVisibleRanges(({ textEditor }) => this.paint(textEditor)),
      // Fill or no fill depends on the kind of theme; only colours follow a theme by themselves.
      vscode.window.onDidChangeActiveColorTheme(() => {
        this.clear();
        repaintAll();
      }),
      vscode.workspace.onDidChangeConfiguration(event => {
        if (!event.affectsConfiguration('attentionLens.annotation')) return;
        this.clear();
        repaintAll();
      }),
    ];
  }

  /** Puts one suggestion on the screen, or none. */
  focus(document: vscode.TextDocument | undefined, id?: string): void {
    this.focused = document && id ? { uri: document.uri.toString(), id } : undefined;
    for (const editor of vscode.window.visibleTextEditors) this.paint(editor);
  }

  isFocused(document: vscode.TextDocument, id: string): boolean {
    return this.focused?.uri === document.uri.toString() && this.focused.id === id;
  }

  isVisible(document: vscode.TextDocument, annotation: Annotation): boolean {
    if (annotation.status === 'rejected' || annotation.kind !== 'span') return false;
    // Another annotator's open suggestions are nobody's label.
    if (annotation.status !== 'suggested') return true;
    return annotation.own && (!annotationSettings().isBlind || this.isFocused(document, annotation.id));
  }

  private paint(editor: vscode.TextEditor): void {
    const { document } = editor;
    const result = this.annotations.current(document);
    // Not known for this version: what is drawn has moved with the text, and the answer is on its way.
    if (!result && this.annotations.of(document.uri)) return;
    const ranges = new Map<string, vscode.Range[]>();
    let focused: vscode.Range[] = [];
    for (const annotation of result?.annotations ?? []) {
      if (!this.isVisible(document, annotation)) continue;
      const own = annotation.ranges.map(toRange).filter(range => isNear(editor, range));
      if (own.length === 0) continue;
      const key = this.typeOf(annotation.label, lookOf(annotation), result?.labels);
      const list = ranges.get(key) ?? [];
      list.push(...own);
      ranges.set(key, list);
      if (this.isFocused(document, annotation.id)) focused = own;
    }
    for (const [key, type] of this.types) editor.setDecorations(type, ranges.get(key) ?? []);
    editor.setDecorations(this.current, focused);
  }

  private typeOf(label: string, look: Look, set: LabelSet | undefined): string {
    const color = colorOf(label, set?.spans ?? []);
    const key = `${look}\0${color}\0${label}`;
    if (!this.types.has(key)) this.types.set(key, createType(label, color, look));
    return key;
  }

  private clear(): void {
    for (const type of this.types.values()) type.dispose();
    this.types.clear();
  }

  dispose(): void {
    this.clear();
    this.current.dispose();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

function createType(label: string, color: string, look: Look): vscode.TextEditorDecorationType {
  const { kind } = vscode.window.activeColorTheme;
  const isContrast = kind === vscode.ColorThemeKind.HighContrast || kind === vscode.ColorThemeKind.HighContrastLight;
  const isCustom = color.startsWith('#');
  const border = isCustom ? color : themed(color, 'Border');
  const fill = isCustom ? (isContrast ? undefined : `${color}38`) : themed(color, 'Background');
  return vscode.window.createTextEditorDecorationType({
    ...(look === 'accepted' && fill ? { backgroundColor: fill } : {}),
    borderColor: border,
    borderStyle: borders[look],
    // Upright edges show where one span begins inside another.
    borderWidth: isContrast ? '2px' : look === 'other' ? '0 0 1px 0' : '1px 1px 2px 1px',
    borderRadius: '3px',
    overviewRulerColor: border,
    overviewRulerLane: vscode.OverviewRulerLane.Center,
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    ...(annotationSettings().showLabels && look !== 'other'
      ? {
          after: {
            contentText: `${label}${marks[look]}`,
            color: isCustom ? new vscode.ThemeColor('editor.foreground') : border,
            margin: '0 0.3em 0 0.2em',
            fontWeight: 'bold',
            // The only way to a font size in this API.
            textDecoration: 'none; font-size: 0.72em; vertical-align: 0.15em',
          },
        }
      : {}),
  });
}

const isNear = (editor: vscode.TextEditor, range: vscode.Range): boolean =>
  editor.visibleRanges.some(
    visible => range.end.line >= visible.start.line - margin && range.start.line <= visible.end.line + margin,
  );

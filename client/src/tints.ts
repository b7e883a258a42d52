import * as vscode from 'vscode';
import { isDrawable, type TintsResult } from '../shared/protocol.js';
import type { CurrentView } from './current-view.js';
import type { Server } from './server.js';
import { tintUnit } from './settings.js';
import { plain, type ShownText, type ShownTexts } from './shown-texts.js';
import { isPartOf } from './text-ranges.js';
import type { TintDecorations } from './tint-decorations.js';
import { covers, type LineSpan, widen } from './tint-ranges.js';

/** Typing pauses this long before the tints are asked for again (ms). */
const typingDelay = 200;
/** The cursor rests this long before it becomes the query; key repeat is faster (ms). */
const cursorDelay = 60;
/** Lines painted above and below the visible ones. */
const margin = 50;

/** What one editor shows now. */
interface Painted {
  version: number;
  results: readonly TintsResult[];
  lines: readonly LineSpan[];
}

interface Job {
  timer?: NodeJS.Timeout;
  readonly source: vscode.CancellationTokenSource;
}

/** Keeps the tints of every visible editor up to date with text, cursor, view and server. */
export class Tints implements vscode.Disposable {
  private readonly painted = new Map<vscode.TextEditor, Painted>();
  private readonly jobs = new Map<vscode.TextEditor, Job>();
  private readonly answered = new vscode.EventEmitter<{ editor: vscode.TextEditor; results: readonly TintsResult[] }>();
  private readonly failed = new vscode.EventEmitter<unknown>();
  private readonly subscriptions: vscode.Disposable[];

  /** Fires for each set of answers that is about the editor's present text, drawable or not. */
  readonly onDidAnswer = this.answered.event;
  readonly onDidFail = this.failed.event;

  constructor(
    private readonly server: Server,
    private readonly shown: ShownTexts,
    private readonly view: CurrentView,
    private readonly decorations: TintDecorations,
  ) {
    this.subscriptions = [
      this.answered,
      this.failed,
      shown.onDidChange(({ uri, change }) => this.refreshDocument(uri, change === 'edit' ? typingDelay : 0)),
      view.onDidChange(() => this.refreshAll()),
      server.onDidRun(() => this.refreshAll()),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => this.refreshCursor(textEditor)),
      vscode.window.onDidChangeTextEditorVisibleRanges(({ textEditor }) => this.repaint(textEditor)),
      vscode.window.onDidChangeVisibleTextEditors(editors => this.editorsChanged(editors)),
      // Of two paired texts, the one in the active editor has the query.
      vscode.window.onDidChangeActiveTextEditor(editor => {
        if (editor && shown.of(editor.document.uri).some(({ partner }) => partner)) this.refreshCursor(editor);
      }),
    ];
  }

  /** What the editor shows, unless its text has changed since. */
  resultsOf(editor: vscode.TextEditor): readonly TintsResult[] {
    const painted = this.painted.get(editor);
    return painted?.version === editor.document.version ? painted.results : [];
  }

  refreshAll(): void {
    for (const editor of vscode.window.visibleTextEditors) this.refresh(editor, 0);
  }

  private refreshDocument(uri: vscode.Uri, delay: number): void {
    for (const editor of this.editorsOf(uri)) this.refresh(editor, delay);
  }

  /** Visible editors of a document and of those that its shown texts are paired with. */
  private editorsOf(uri: vscode.Uri): vscode.TextEditor[] {
    const uris = [uri.toString(), ...this.shown.of(uri).flatMap(({ partner }) => (partner ? [partner.uri] : []))];
    return vscode.window.visibleTextEditors.filter(({ document }) => uris.includes(document.uri.toString()));
  }

  private refreshCursor(editor: vscode.TextEditor): void {
    if (this.shown.of(editor.document.uri).length === 0) return;
    // While typing, every key moves the cursor too: the edit's longer delay wins.
    const isTyping = this.painted.get(editor)?.version !== editor.document.version;
    for (const one of this.editorsOf(editor.document.uri)) this.refresh(one, isTyping ? typingDelay : cursorDelay);
  }

  private refresh(editor: vscode.TextEditor, delay: number): void {
    this.cancel(editor);
    const job: Job = { source: new vscode.CancellationTokenSource() };
    this.jobs.set(editor, job);
    const run = () => {
      this.ask(editor, job.source.token)
        .catch(error => this.failed.fire(error))
        .finally(() => {
          if (this.jobs.get(editor) === job) this.jobs.delete(editor);
          job.source.dispose();
        });
    };
    if (delay === 0) run();
    else job.timer = setTimeout(run, delay);
  }

  private async ask(editor: vscode.TextEditor, token: vscode.CancellationToken): Promise<void> {
    const { document } = editor;
    const texts = this.shown.of(document.uri);
    if (texts.length === 0) {
      this.painted.delete(editor);
      this.decorations.clear(editor);
      return;
    }
    const version = document.version;
    const answers = await Promise.all(texts.map(text => this.askOne(editor, text, token)));
    if (token.isCancellationRequested || document.version !== version) return;
    const results: TintsResult[] = [];
    for (const [index, result] of answers.entries()) {
      const text = texts[index];
      if (!text || !result || (result.version !== null && result.version !== version)) continue;
      if (result.status === 'stale') continue;
      if (isDrawable(result.status)) {
        this.shown.resolve(document.uri, text.id, result.range);
        if (result.pair && editorOf(result.pair.uri)) this.shown.follows(document.uri, text.id, result.pair);
      }
      results.push(result);
    }
    if (answers.length > 0 && results.length === 0) return;
    this.painted.set(editor, { version, results: results.filter(result => isDrawable(result.status)), lines: [] });
    this.repaint(editor);
    this.answered.fire({ editor, results });
  }

  private async askOne(
    editor: vscode.TextEditor,
    text: ShownText,
    token: vscode.CancellationToken,
  ): Promise<TintsResult | undefined> {
    const partner = this.shown.partnerOf(text);
    const isApart = partner && partner.uri.toString() !== editor.document.uri.toString();
    // Two texts of one document are one question, and one answer holds the tokens of both.
    if (partner && !isApart && text.partner?.isSource) return undefined;
    const leader = isApart ? vscode.window.activeTextEditor : undefined;
    if (!leader || leader.document.uri.toString() !== partner?.uri.toString()) return this.askAt(editor, text, token);
    // The cursor is in the other text: this one shows its part of that answer.
    const answer = await this.askAt(leader, partner.text, token);
    return answer?.version === leader.document.version ? otherHalf(answer) : undefined;
  }

  private askAt(
    editor: vscode.TextEditor,
    text: ShownText,
    token: vscode.CancellationToken,
  ): Promise<TintsResult | undefined> {
    const { document, selection } = editor;
    const cursor = selection.active;
    const at = this.shown.at(document.uri, cursor);
    const isInside = at !== undefined && (at.id === text.id || at.id === text.partner?.id);
    // A part that is selected is the query. All of the text is a choice of text: then the tints say what receives attention.
    const isPart = isInside && !selection.isEmpty && at.extent !== null && isPartOf(selection, at.extent);
    return this.server.request(
      'attentionLens/tints',
      {
        scope: this.shown.scopeOf(document.uri, text),
        view: this.view.value,
        pinned: true,
        unit: tintUnit(),
        ...(isPart && { query: plain(selection) }),
        ...(isInside && selection.isEmpty && { position: { line: cursor.line, character: cursor.character } }),
      },
      token,
    );
  }

  /** Sets decorations for the visible lines, unless those that are set still cover them or are out of date. */
  private repaint(editor: vscode.TextEditor): void {
    const painted = this.painted.get(editor);
    if (!painted || painted.version !== editor.document.version) return;
    const visible = editor.visibleRanges.map(range => ({ from: range.start.line, to: range.end.line }));
    if (painted.lines.length > 0 && covers(painted.lines, visible)) return;
    painted.lines = widen(visible, margin);
    this.decorations.paint(editor, painted.results, painted.lines);
  }

  private editorsChanged(editors: readonly vscode.TextEditor[]): void {
    for (const editor of [...this.painted.keys(), ...this.jobs.keys()]) {
      if (editors.includes(editor)) continue;
      this.cancel(editor);
      this.painted.delete(editor);
    }
    for (const editor of editors) {
      if (!this.painted.has(editor) && this.shown.of(editor.document.uri).length > 0) this.refresh(editor, 0);
    }
  }

  private cancel(editor: vscode.TextEditor): void {
    const job = this.jobs.get(editor);
    if (!job) return;
    clearTimeout(job.timer);
    job.source.cancel();
    job.source.dispose();
    this.jobs.delete(editor);
  }

  dispose(): void {
    for (const editor of [...this.jobs.keys()]) this.cancel(editor);
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

const editorOf = (uri: string): vscode.TextEditor | undefined =>
  vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === uri);

/** An answer as the document of its other text sees it. */
function otherHalf(answer: TintsResult): TintsResult | undefined {
  const { pair, query: _, ...rest } = answer;
  if (!pair?.tokens || !pair.weights || !pair.buckets) return undefined;
  const { version, range, tokens, weights, buckets } = pair;
  return { ...rest, version, range, tokens, weights, buckets };
}

import * as vscode from 'vscode';
import type {
  AnnotateParams,
  Annotation,
  AnnotationRequests,
  AnnotationsResult,
  NewAnnotation,
} from '../../shared/annotation-protocol.js';
import type { Range } from '../../shared/protocol.js';
import { isServed, type Server, ServerError } from '../server.js';
import { contains } from '../text-ranges.js';

/** Typing pauses this long before places are asked for again (ms); until then the editor's own decorations follow the text. */
const typingDelay = 400;

/** What is known of the annotations of open documents: asked from the server, never changed here. */
export class Annotations implements vscode.Disposable {
  private readonly known = new Map<string, AnnotationsResult>();
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly told = new Map<string, string>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly failed = new vscode.EventEmitter<string>();
  private readonly subscriptions: vscode.Disposable[];
  /** Nothing is asked before there is something to show, or somebody labels. */
  private isOn = false;

  readonly onDidChange = this.changed.event;
  readonly onDidFail = this.failed.event;

  constructor(private readonly server: Server) {
    this.subscriptions = [
      this.changed,
      this.failed,
      server.onDidRun(() => this.refreshVisible()),
      server.onDidAnnotate(({ uri, message }) => {
        this.isOn = true;
        if (message) this.failed.fire(message);
        void this.refresh(vscode.Uri.parse(uri, true));
      }),
      vscode.window.onDidChangeVisibleTextEditors(() => this.refreshVisible()),
      vscode.window.onDidChangeWindowState(({ focused }) => {
        if (focused) this.refreshVisible();
      }),
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (this.isOn && contentChanges.length > 0) this.later(document.uri);
      }),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => {
        if (this.known.delete(uri.toString())) this.changed.fire(uri);
      }),
    ];
    void this.lookAround();
  }

  /** What is known of a document, for its present text or one shortly before it. */
  of(uri: vscode.Uri): AnnotationsResult | undefined {
    return this.known.get(uri.toString());
  }

  /** As `of`, but only what is about the present text. */
  current(document: vscode.TextDocument): AnnotationsResult | undefined {
    const result = this.of(document.uri);
    return result?.version === document.version ? result : undefined;
  }

  get uris(): vscode.Uri[] {
    return [...this.known.keys()].map(uri => vscode.Uri.parse(uri, true));
  }

  /** The annotations at a position, the innermost first. */
  at(document: vscode.TextDocument, position: vscode.Position): Annotation[] {
    const found = this.current(document)?.annotations.filter(
      ({ ranges, status }) => status !== 'rejected' && ranges.some(range => contains(range, position)),
    );
    const length = ({ ranges }: Annotation) =>
      ranges.reduce(
        (sum, range) => sum + document.offsetAt(point(range.end)) - document.offsetAt(point(range.start)),
        0,
      );
    return [...(found ?? [])].sort((a, b) => length(a) - length(b));
  }

  /** The annotations of a document's present text, asked for if need be. */
  async load(document: vscode.TextDocument): Promise<AnnotationsResult> {
    this.isOn = true;
    for (let attempt = 0; attempt < 5; attempt++) {
      const known = this.current(document) ?? (await this.refresh(document.uri));
      if (known && known.version === document.version) return known;
    }
    throw new ServerError(vscode.l10n.t('The annotations could not be read while the text keeps changing.'));
  }

  /**
   * Does one action.
   *
   * @returns ids of what was added.
   * @throws ServerError with one sentence: a rule of the label set, a file that cannot be written.
   */
  async apply(
    document: vscode.TextDocument,
    action: Omit<AnnotateParams, 'textDocument' | 'version'>,
  ): Promise<readonly string[]> {
    this.isOn = true;
    const result = await this.ask('attentionLens/annotate', {
      textDocument: { uri: document.uri.toString() },
      version: document.version,
      ...action,
    });
    await this.refresh(document.uri);
    return result.ids ?? [];
  }

  add(document: vscode.TextDocument, title: string, ...add: NewAnnotation[]): Promise<readonly string[]> {
    return this.apply(document, { add, title });
  }

  /** @throws ServerError when there is no answer. */
  async ask<M extends keyof AnnotationRequests>(
    method: M,
    params: AnnotationRequests[M]['params'],
    token?: vscode.CancellationToken,
  ): Promise<AnnotationRequests[M]['result']> {
    const source = new vscode.CancellationTokenSource();
    try {
      const result = await this.server.request(method, params, token ?? source.token);
      if (!result) throw new vscode.CancellationError();
      if (result.status !== 'ok' && result.status !== 'truncated') {
        throw new ServerError(result.message ?? vscode.l10n.t('The server gave no answer. The log says why.'));
      }
      return result;
    } finally {
      source.dispose();
    }
  }

  async refresh(uri: vscode.Uri): Promise<AnnotationsResult | undefined> {
    clearTimeout(this.timers.get(uri.toString()));
    const document = vscode.workspace.textDocuments.find(open => open.uri.toString() === uri.toString());
    if (!document || !isAnnotatable(document)) return undefined;
    try {
      const result = await this.ask('attentionLens/annotations', { textDocument: { uri: uri.toString() } });
      this.known.set(uri.toString(), result);
      this.changed.fire(uri);
      return result;
    } catch (error) {
      // A document that has been closed meanwhile has nothing to say; for others one failure is told once.
      if (error instanceof vscode.CancellationError || document.isClosed) return undefined;
      const message = error instanceof Error ? error.message : String(error);
      if (this.told.get(uri.toString()) !== message) this.failed.fire(message);
      this.told.set(uri.toString(), message);
      return undefined;
    }
  }

  refreshVisible(): void {
    if (!this.isOn) return;
    for (const { document } of vscode.window.visibleTextEditors) void this.refresh(document.uri);
  }

  private later(uri: vscode.Uri): void {
    const key = uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.set(
      key,
      setTimeout(() => void this.refresh(uri), typingDelay),
    );
  }

  /** A workspace with labels in it shows them with no command given. */
  private async lookAround(): Promise<void> {
    const found = await vscode.workspace.findFiles(
      '**/{attention-lens.labels.json,*.al.jsonl}',
      '**/node_modules/**',
      1,
    );
    if (found.length === 0 || this.isOn) return;
    this.isOn = true;
    await this.server.start().catch(() => undefined);
    this.refreshVisible();
  }

  dispose(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

/** Files have a place beside them for a sidecar; a sidecar has none of its own. */
export const isAnnotatable = (document: vscode.TextDocument): boolean =>
  document.uri.scheme === 'file' && isServed(document) && !document.uri.path.endsWith('.al.jsonl');

export const point = ({ line, character }: Range['start']): vscode.Position => new vscode.Position(line, character);

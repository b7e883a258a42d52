import * as vscode from 'vscode';
import {
  CloseAction,
  ConnectionError,
  DidChangeConfigurationNotification,
  ErrorAction,
  ErrorCodes,
  type Executable,
  LanguageClient,
  LSPErrorCodes,
  type Middleware,
  ResponseError,
  RevealOutputChannelOn,
  State,
} from 'vscode-languageclient/node';
import { type AnnotationsChanged, annotationsChangedNotification } from '../shared/annotation-protocol.js';
import { type ServerRequests, type ServerStatus, statusNotification } from '../shared/protocol.js';
import { findServer, MissingServerError, serverCommand, serverFolder } from './server-path.js';
import { inUsersLanguage, withSentences } from './server-sentences.js';
import { type ServerSettings, section, serverPath } from './settings.js';

/** Documents of this extension that show a file of attention (see attention-files.ts); the server knows them by it. */
export const attentionFileScheme = 'attentionlens-file';

/** Documents whose text the server gets. Diff sides and output channels are left out on purpose. */
export const documentSelector = [
  { scheme: 'file' },
  { scheme: 'untitled' },
  { scheme: 'vscode-vfs' },
  { scheme: 'vscode-userdata' },
  { scheme: 'vscode-notebook-cell' },
  { scheme: attentionFileScheme },
];

/** Documents of this extension that hold another version of a file (see text-versions.ts). */
export const versionScheme = 'attentionlens-version';

export const isServed = (document: vscode.TextDocument): boolean =>
  documentSelector.some(filter => filter.scheme === document.uri.scheme);

/** A failure the user is told about in one sentence. */
export class ServerError extends Error {}

const crashWindow = 180_000;
const maxCrashes = 5;

/** The language server: started with the first question, restarted when it dies. */
export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private starting: Promise<LanguageClient> | undefined;
  private restarting: Promise<void> | undefined;
  private restartQueued = false;
  private crashes: number[] = [];

  private readonly ran = new vscode.EventEmitter<void>();
  private readonly reported = new vscode.EventEmitter<ServerStatus>();
  private readonly annotated = new vscode.EventEmitter<AnnotationsChanged>();
  /** Written by other windows and by git: the server takes in what changes. */
  private readonly watchers = ['**/*.al.jsonl', '**/attention-lens.labels.json'].map(pattern =>
    vscode.workspace.createFileSystemWatcher(pattern),
  );

  /** Fires whenever a server is ready for questions: at first, after a restart, after a crash. */
  readonly onDidRun = this.ran.event;
  readonly onDidReport = this.reported.event;
  /** The annotations of a document have changed by something other than an edit of its text. */
  readonly onDidAnnotate = this.annotated.event;

  constructor(
    private readonly context: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
    private readonly settings: () => ServerSettings,
    private readonly middleware: Middleware,
  ) {}

  get languageClient(): LanguageClient | undefined {
    return this.client;
  }

  get isRunning(): boolean {
    return this.client?.state === State.Running;
  }

  /**
   * Asks the server, starting it if need be.
   *
   * @returns undefined when the question was cancelled or overtaken by an edit.
   * @throws ServerError with one sentence for the user.
   */
  async request<M extends keyof ServerRequests>(
    method: M,
    params: ServerRequests[M]['params'],
    token: vscode.CancellationToken,
  ): Promise<ServerRequests[M]['result'] | undefined> {
    const client = await this.start();
    if (token.isCancellationRequested) return undefined;
    try {
      return withSentences(await client.sendRequest<ServerRequests[M]['result']>(method, params, token));
    } catch (error) {
      if (token.isCancellationRequested || isOvertaken(error) || isConnectionLost(error)) return undefined;
      this.log.error(`${method}: ${String(error)}`);
      throw new ServerError(inUsersLanguage(error instanceof Error ? error.message : String(error)));
    }
  }

  /**
   * The server's executable, or its .dll.
   *
   * @throws ServerError where there is none.
   */
  file(): string {
    try {
      return findServer({
        extensionPath: this.context.extensionPath,
        configured: serverPath(),
        isTrusted: vscode.workspace.isTrusted,
        environment: process.env,
        platform: process.platform,
      });
    } catch (error) {
      throw new ServerError(error instanceof MissingServerError ? missing(error) : String(error));
    }
  }

  async start(): Promise<LanguageClient> {
    if (this.client && (this.client.state === State.Running || this.client.state === State.Starting)) {
      await this.client.start();
      return this.client;
    }
    this.starting ??= this.launch().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  /** One restart at a time, and at most one more queued behind it. */
  async restart(): Promise<void> {
    this.restartQueued = true;
    this.restarting ??= (async () => {
      try {
        while (this.restartQueued) {
          this.restartQueued = false;
          this.crashes = [];
          await this.stop();
          await this.start();
        }
      } finally {
        this.restarting = undefined;
      }
    })();
    return this.restarting;
  }

  async configure(): Promise<void> {
    if (!this.client || !this.isRunning) return;
    await this.client.sendNotification(DidChangeConfigurationNotification.type, {
      settings: { [section]: this.settings() },
    });
  }

  async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (!client) return;
    try {
      if (client.needsStop()) await client.stop();
    } catch (error) {
      this.log.warn(`The server did not stop in order: ${String(error)}`);
    }
    await client.dispose().catch(() => undefined);
  }

  private async launch(): Promise<LanguageClient> {
    await this.stop();
    const file = this.file();
    this.log.info(`Starting ${file}`);
    const { command, args } = serverCommand(file);
    const cwd = serverFolder({ extensionPath: this.context.extensionPath, isTrusted: vscode.workspace.isTrusted });
    const executable: Executable = { command, args: [...args], options: { ...(cwd && { cwd }) } };
    const client = new LanguageClient(section, 'AttentionLens', executable, {
      documentSelector: [...documentSelector, { scheme: versionScheme }],
      synchronize: { fileEvents: this.watchers },
      initializationOptions: this.settings(),
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      middleware: this.middleware,
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => this.closed(),
      },
    });
    client.onNotification(statusNotification, (status: ServerStatus) => this.reported.fire(withSentences(status)));
    client.onNotification(annotationsChangedNotification, (change: AnnotationsChanged) => this.annotated.fire(change));
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Running && this.client === client) this.ran.fire();
    });
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      this.client = undefined;
      this.log.error(`${file}: ${String(error)}`);
      throw new ServerError(vscode.l10n.t('The AttentionLens server {0} did not start. The log says why.', file));
    }
    return client;
  }

  private closed(): { action: CloseAction; handled: boolean; message?: string } {
    const now = performance.now();
    this.crashes = [...this.crashes.filter(time => now - time < crashWindow), now];
    if (this.crashes.length < maxCrashes) {
      this.log.warn('The server ended unexpectedly; starting it again.');
      return { action: CloseAction.Restart, handled: true };
    }
    const message = vscode.l10n.t('The AttentionLens server ended five times within three minutes and stays stopped.');
    this.log.error(message);
    this.reported.fire({ health: 'error', message, busy: false });
    return { action: CloseAction.DoNotRestart, handled: true };
  }

  dispose(): void {
    this.ran.dispose();
    this.reported.dispose();
    this.annotated.dispose();
    vscode.Disposable.from(...this.watchers).dispose();
  }
}

const missing = ({ file, isOwn }: MissingServerError): string =>
  isOwn
    ? vscode.l10n.t(
        'The AttentionLens server is missing from the extension ({0}). Install the package for your platform, or set attentionLens.server.path.',
        file,
      )
    : vscode.l10n.t('There is no AttentionLens server at {0}. Check the setting attentionLens.server.path.', file);

/** Unlike the built-in features, a custom request gets these raw. */
const isOvertaken = (error: unknown): boolean =>
  error instanceof ResponseError &&
  (error.code === LSPErrorCodes.ContentModified ||
    error.code === LSPErrorCodes.RequestCancelled ||
    error.code === LSPErrorCodes.ServerCancelled);

/** A server that died comes back by itself, and whoever asked asks again on onDidRun. */
const isConnectionLost = (error: unknown): boolean =>
  error instanceof ConnectionError ||
  (error instanceof ResponseError &&
    (error.code === ErrorCodes.PendingResponseRejected || error.code === ErrorCodes.ConnectionInactive));

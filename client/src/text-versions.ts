import * as vscode from 'vscode';
import type { Range, Scope } from '../shared/protocol.js';
import { ServerError, versionScheme } from './server.js';
import type { ShownText } from './shown-texts.js';
import { isEmpty } from './text-ranges.js';
import { carryRange } from './version-map.js';

/** Versions of a file that its editor does not show. */
export type Version = 'saved' | 'head';

/** The little of the Git extension's API that is used here: https://github.com/microsoft/vscode/tree/main/extensions/git */
interface GitExtension {
  readonly enabled: boolean;
  getAPI(version: 1): {
    getRepository(uri: vscode.Uri): {
      show(ref: string, path: string): Promise<string>;
      readonly state: { readonly onDidChange: vscode.Event<void> };
    } | null;
  };
}

/**
 * The saved file and the committed file as read-only documents, so that the server sees them as it sees any text and a
 * comparison can be shown beside the editor.
 */
export class TextVersions implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly updated = new vscode.EventEmitter<vscode.Uri>();
  private readonly repositories = new Set<object>();
  private readonly subscriptions: vscode.Disposable[];

  /** Of a version's document: VS Code asks for its content again. */
  readonly onDidChange = this.changed.event;
  /** Of the file, after one of its versions has another text. */
  readonly onDidUpdate = this.updated.event;

  constructor() {
    this.subscriptions = [
      this.changed,
      this.updated,
      vscode.workspace.registerTextDocumentContentProvider(versionScheme, this),
      vscode.workspace.onDidSaveTextDocument(({ uri }) => this.changed.fire(versionUri(uri, 'saved'))),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document.uri.scheme === versionScheme) this.updated.fire(parse(document.uri).uri);
      }),
    ];
  }

  provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const { uri: file, version } = parse(uri);
    return this.read(file, version);
  }

  /** True where git has, or may have, a committed version of the file. */
  hasHead(uri: vscode.Uri): boolean {
    return uri.scheme === 'file' && repositoryOf(uri) !== null;
  }

  /**
   * What stands in another version where a text stands in the document.
   *
   * @throws ServerError when there is no such version, or the text is not in it.
   */
  async scopeOf(document: vscode.TextDocument, text: ShownText, version: Version): Promise<Scope> {
    const uri = versionUri(document.uri, version);
    const isOpen = vscode.workspace.textDocuments.some(open => open.uri.toString() === uri.toString());
    // Read here first: what goes wrong inside of openTextDocument is said in VS Code's words, not in ours.
    if (!isOpen) await this.read(document.uri, version);
    // VS Code closes a document that no editor shows after some minutes; opening an open one costs nothing.
    const other = await vscode.workspace.openTextDocument(uri);
    // The line that was asked about may be new where the rest of its paragraph is not.
    const carried = carryRange(text.extent ?? text.asked, linesOf(document), linesOf(other));
    if (!carried) {
      throw new ServerError(
        version === 'saved'
          ? vscode.l10n.t('This text is not in the saved file.')
          : vscode.l10n.t('This text is not in the committed file.'),
      );
    }
    return { textDocument: { uri: other.uri.toString() }, range: isEmpty(text.asked) ? startOf(carried) : carried };
  }

  private read(file: vscode.Uri, version: Version): Promise<string> {
    return version === 'saved' ? readSaved(file) : this.readHead(file);
  }

  private async readHead(file: vscode.Uri): Promise<string> {
    const repository = repositoryOf(file);
    if (!repository) {
      throw new ServerError(
        vscode.l10n.t('{0} is in no Git repository, or Git is switched off in VS Code.', file.fsPath),
      );
    }
    if (!this.repositories.has(repository)) {
      this.repositories.add(repository);
      this.subscriptions.push(
        repository.state.onDidChange(() => {
          for (const { uri } of vscode.workspace.textDocuments) {
            if (uri.scheme === versionScheme && parse(uri).version === 'head') this.changed.fire(uri);
          }
        }),
      );
    }
    try {
      return await repository.show('HEAD', file.fsPath);
    } catch {
      throw new ServerError(vscode.l10n.t('{0} has not been committed yet.', file.fsPath));
    }
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

/** The path stays, so that language and format of the version are those of the file. */
const versionUri = (uri: vscode.Uri, version: Version): vscode.Uri =>
  uri.with({ scheme: versionScheme, query: JSON.stringify({ version, uri: uri.toString() }) });

function parse(uri: vscode.Uri): { readonly uri: vscode.Uri; readonly version: Version } {
  const { version, uri: file } = JSON.parse(uri.query) as { version: Version; uri: string };
  return { uri: vscode.Uri.parse(file, true), version };
}

const startOf = ({ start }: Range): Range => ({ start, end: start });

const linesOf = (document: vscode.TextDocument): string[] =>
  Array.from({ length: document.lineCount }, (_, line) => document.lineAt(line).text);

async function readSaved(uri: vscode.Uri): Promise<string> {
  const open = vscode.workspace.textDocuments.find(document => document.uri.toString() === uri.toString());
  // Without unsaved changes the editor's text is the file's, decoded as the user has chosen.
  if (open && !open.isDirty) return open.getText();
  let bytes: Uint8Array;
  try {
    bytes = await vscode.workspace.fs.readFile(uri);
  } catch {
    throw new ServerError(vscode.l10n.t('There is no saved file to compare with.'));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function repositoryOf(uri: vscode.Uri) {
  const git = vscode.extensions.getExtension<GitExtension>('vscode.git');
  return git?.isActive && git.exports.enabled ? git.exports.getAPI(1).getRepository(uri) : null;
}

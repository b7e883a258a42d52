import path from 'node:path';
import * as vscode from 'vscode';
import { ServerError } from '../server.js';
import type { Annotations } from './annotations.js';
import { labelledEditor } from './labeller.js';

interface Format {
  readonly name: string;
  readonly title: string;
  /** Extensions of a file; none: a folder. */
  readonly extensions: readonly string[];
}

const formats: readonly Format[] = [
  { name: 'brat', title: 'brat', extensions: ['ann'] },
  { name: 'conll', title: 'CoNLL-2003 (IOB2)', extensions: ['conll', 'iob', 'bio', 'txt'] },
  { name: 'conllu', title: 'CoNLL-U', extensions: ['conllu'] },
  { name: 'doccano', title: 'doccano JSONL', extensions: ['jsonl'] },
  { name: 'prodigy', title: 'Prodigy / spaCy JSONL', extensions: ['jsonl'] },
  { name: 'label-studio', title: 'Label Studio JSON', extensions: ['json'] },
  { name: 'web-annotation', title: 'W3C Web Annotation', extensions: ['jsonld', 'json'] },
  { name: 'eraser', title: 'ERASER', extensions: [] },
];

const pickFormat = async (title: string): Promise<Format | undefined> =>
  (
    await vscode.window.showQuickPick(
      formats.map(format => ({ label: format.title, description: format.name, format })),
      { title },
    )
  )?.format;

/** Writes the active document's annotations in another tool's format, and says what it could not hold. */
export async function exportAnnotations(annotations: Annotations): Promise<void> {
  const { document } = labelledEditor();
  await annotations.load(document);
  const format = await pickFormat(vscode.l10n.t('Export annotations as'));
  if (!format) return;
  const [extension] = format.extensions;
  const target = extension
    ? await vscode.window.showSaveDialog({
        defaultUri: vscode.Uri.file(
          `${document.uri.fsPath.slice(0, -path.extname(document.uri.fsPath).length || undefined)}.${extension}`,
        ),
        filters: { [format.title]: [...format.extensions] },
        title: vscode.l10n.t('Export annotations as'),
      })
    : (
        await vscode.window.showOpenDialog({
          canSelectFolders: true,
          canSelectFiles: false,
          title: vscode.l10n.t('Folder to write to'),
        })
      )?.[0];
  if (!target) return;
  const { count = 0, losses = [] } = await annotations.ask('attentionLens/exportAnnotations', {
    textDocument: { uri: document.uri.toString() },
    format: format.name,
    path: target.fsPath,
  });
  const name = path.basename(target.fsPath);
  const done =
    count === 1
      ? vscode.l10n.t('1 annotation was written to {0}.', name)
      : vscode.l10n.t('{0} annotations were written to {1}.', count, name);
  await report(done, losses);
}

/** Adds the annotations that a file of another tool holds for the active document. */
export async function importAnnotations(annotations: Annotations): Promise<void> {
  const { document } = labelledEditor();
  await annotations.load(document);
  const format = await pickFormat(vscode.l10n.t('Import annotations from'));
  if (!format) return;
  const source = (
    await vscode.window.showOpenDialog({
      canSelectFolders: format.extensions.length === 0,
      canSelectFiles: format.extensions.length > 0,
      defaultUri: vscode.Uri.file(path.dirname(document.uri.fsPath)),
      title: vscode.l10n.t('Import annotations from'),
    })
  )?.[0];
  if (!source) return;
  const { count = 0, losses = [] } = await annotations.ask('attentionLens/importAnnotations', {
    textDocument: { uri: document.uri.toString() },
    format: format.name,
    path: source.fsPath,
  });
  await annotations.refresh(document.uri);
  const name = path.basename(source.fsPath);
  const done =
    count === 1
      ? vscode.l10n.t('1 annotation was added from {0}.', name)
      : vscode.l10n.t('{0} annotations were added from {1}.', count, name);
  await report(done, losses);
}

/** Nothing is dropped in silence. */
async function report(done: string, losses: readonly string[]): Promise<void> {
  if (losses.length === 0) {
    void vscode.window.showInformationMessage(done);
    return;
  }
  const show = vscode.l10n.t('Show what was left out');
  if ((await vscode.window.showWarningMessage(`${done} ${losses[0]}`, show)) !== show) return;
  await vscode.window.showTextDocument(
    await vscode.workspace.openTextDocument({
      content: `${done}\n\n${losses.map(loss => `- ${loss}`).join('\n')}\n`,
      language: 'markdown',
    }),
  );
}

/** A label set to start from, opened for editing. An existing one is only opened. */
export async function createLabelSet(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  const folder =
    (editor && vscode.workspace.getWorkspaceFolder(editor.document.uri)?.uri) ??
    vscode.workspace.workspaceFolders?.[0]?.uri;
  if (!folder) throw new ServerError(vscode.l10n.t('Open a folder first: a label set is a file in it.'));
  const file = vscode.Uri.joinPath(folder, 'attention-lens.labels.json');
  const exists = await vscode.workspace.fs.stat(file).then(
    () => true,
    () => false,
  );
  if (!exists) {
    const { l10n } = vscode;
    const comments = {
      top: l10n.t(
        'The labels of the documents in this folder and below. Keys are pressed alone in label mode; Alt+1 to Alt+9 count the spans.',
      ),
      relations: l10n.t('Directed links between two spans.'),
      documents: l10n.t('Labels of whole documents.'),
    };
    await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(template(comments)));
  }
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file));
}

const template = (comments: Readonly<Record<'top' | 'relations' | 'documents', string>>): string => `// ${comments.top}
{
  "version": 1,
  "spans": [
    { "name": "PER", "title": "Person", "color": "blue", "key": "1" },
    { "name": "ORG", "title": "Organisation", "color": "orange", "key": "2" },
    { "name": "LOC", "title": "Place", "color": "green", "key": "3" },
    { "name": "rationale", "title": "Rationale", "color": "yellow", "key": "4", "overlap": true }
  ],
  // ${comments.relations}
  "relations": [{ "name": "works-for", "from": ["PER"], "to": ["ORG"] }],
  // ${comments.documents}
  "documents": [{ "name": "positive", "color": "green" }, { "name": "negative", "color": "red" }]
}
`;

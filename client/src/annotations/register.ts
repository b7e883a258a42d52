import * as vscode from 'vscode';
import { isRange } from '../../shared/panel.js';
import { showFailure, withErrorBoundary } from '../commands.js';
import type { CurrentView } from '../current-view.js';
import { type Server, ServerError } from '../server.js';
import { Adjudications } from './adjudication.js';
import { AnnotationStatus } from './annotation-status.js';
import { AnnotationTree } from './annotation-tree.js';
import { Annotations } from './annotations.js';
import { Corpus } from './corpus.js';
import { createLabelSet, exportAnnotations, importAnnotations } from './exchange.js';
import { LabelDecorations } from './label-decorations.js';
import { LabelHover } from './label-hover.js';
import { LabelMode } from './label-mode.js';
import { Labeller, labelledEditor } from './labeller.js';
import { RationaleAgreement } from './rationale.js';
import { SuggestionQueue } from './suggestion-queue.js';

/** Labels on text: everything of it, wired together. */
export function registerAnnotations(
  server: Server,
  view: CurrentView,
  { workspaceState, extensionUri }: vscode.ExtensionContext,
): vscode.Disposable {
  const annotations = new Annotations(server);
  const corpus = new Corpus(annotations);
  const decorations = new LabelDecorations(annotations);
  const labeller = new Labeller(server, annotations, view);
  const queue = new SuggestionQueue(annotations, decorations, labeller);
  const mode = new LabelMode(annotations, labeller, queue, () => approveAndGoOn());
  const tree = new AnnotationTree(annotations, corpus, workspaceState);
  const rationale = new RationaleAgreement(server, annotations, view);
  const adjudications = new Adjudications(extensionUri, server, annotations);

  /** Approves the active document and opens the next that is not approved, in the same mode. */
  async function approveAndGoOn(): Promise<void> {
    const { document } = labelledEditor();
    const wasLabelling = mode.isOn;
    await labeller.approve(true);
    await mode.leave();
    if (!(await corpus.openNext(document.uri))) {
      void vscode.window.showInformationMessage(vscode.l10n.t('Every document is approved.'));
      return;
    }
    if (wasLabelling) await mode.enter();
  }

  /** A queue is answered with single keys. */
  const answered = async (found: Promise<boolean>): Promise<void> => {
    if (await found) await mode.enter();
  };

  /** Alt with a digit belongs to VS Code until there is something that it could label with. */
  const offerKeys = (): void => {
    const { document } = vscode.window.activeTextEditor ?? {};
    const count = (document && annotations.of(document.uri)?.labels.spans.length) ?? 0;
    void vscode.commands.executeCommand('setContext', 'attentionLens.hasLabels', count > 0);
  };

  const commands: Record<string, (argument?: unknown) => Promise<unknown>> = {
    annotate: async place => {
      select(place);
      await labeller.pickLabel();
    },
    annotateWith: index => labeller.labelWith(Number(index)),
    annotateTogether: () => labeller.labelTogether(),
    repeatAnnotation: () => labeller.repeat(),
    deleteAnnotation: node => labeller.remove(idOf(node)),
    extendAnnotation: () => labeller.resize('end', true),
    shrinkAnnotation: () => labeller.resize('end', false),
    extendAnnotationBackward: () => labeller.resize('start', true),
    shrinkAnnotationBackward: () => labeller.resize('start', false),
    relateAnnotations: () => labeller.relate(),
    labelDocument: () => labeller.labelDocument(),
    editAttributes: () => labeller.editAttributes(),
    undoAnnotation: () => labeller.history(false),
    redoAnnotation: () => labeller.history(true),
    approveDocument: approveAndGoOn,
    withdrawApproval: () => labeller.approve(false),
    nextSuggestion: () => queue.go('suggestion'),
    previousSuggestion: () => queue.go('suggestion', true),
    acceptAnnotation: () => queue.judge(true),
    rejectAnnotation: () => queue.judge(false),
    nextToReview: () => queue.go('review'),
    nextOrphan: () => queue.go('orphan'),
    nextUnlabelled: () => queue.go('unlabelled'),
    labelAllSimilar: () => answered(queue.findSimilar()),
    checkConsistency: () => answered(queue.checkConsistency()),
    toggleSuggestionOrder: async () => queue.toggleOrder(),
    toggleLabelMode: () => mode.toggle(),
    leaveLabelMode: () => mode.leave(),
    labelModeKey: key => (typeof key === 'string' ? mode.press(key) : Promise.resolve()),
    groupAnnotations: () => tree.group(),
    filterAnnotations: () => tree.choose(),
    toggleRationaleAgreement: () => rationale.toggle(),
    compareRationaleMethods: () => rationale.compare(),
    adjudicate: node => adjudications.open(node),
    exportAnnotations: () => exportAnnotations(annotations),
    importAnnotations: () => importAnnotations(annotations),
    createLabelSet,
  };
  return vscode.Disposable.from(
    annotations,
    corpus,
    decorations,
    queue,
    mode,
    tree,
    rationale,
    adjudications,
    new LabelHover(server, annotations, decorations, view),
    new AnnotationStatus(annotations, corpus, mode, queue),
    annotations.onDidFail(message => void showFailure(server.log, new ServerError(message))),
    annotations.onDidChange(offerKeys),
    vscode.window.onDidChangeActiveTextEditor(offerKeys),
    ...Object.entries(commands).map(([name, run]) =>
      vscode.commands.registerCommand(`attentionLens.${name}`, (argument: unknown) =>
        withErrorBoundary(server.log, async () => {
          await run(argument);
        }),
      ),
    ),
  );
}

/** A code action names the range that it was offered for. */
function select(place: unknown): void {
  const editor = vscode.window.activeTextEditor;
  if (!editor || typeof place !== 'object' || place === null || !('range' in place) || !isRange(place.range)) return;
  const { start, end } = place.range;
  editor.selection = new vscode.Selection(start.line, start.character, end.line, end.character);
}

/** The annotation of a node of the tree. */
function idOf(node: unknown): string | undefined {
  if (typeof node !== 'object' || node === null || !('annotation' in node)) return undefined;
  const { annotation } = node;
  return typeof annotation === 'object' &&
    annotation !== null &&
    'id' in annotation &&
    typeof annotation.id === 'string'
    ? annotation.id
    : undefined;
}

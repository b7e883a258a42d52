import * as vscode from 'vscode';
import {
  type AdjudicationTarget,
  type FromAdjudication,
  idOf,
  isAdjudicationState,
  isFromAdjudication,
  type PairId,
  type ToAdjudication,
} from '../../shared/adjudication.js';
import type {
  AdjudicateParams,
  AdjudicationNames,
  AdjudicationPair,
  AdjudicationResult,
  Annotation,
  AnnotationsResult,
} from '../../shared/annotation-protocol.js';
import { nameOf } from '../comparison-picker.js';
import { hookUp } from '../panel-html.js';
import { panelStrings } from '../panel-strings.js';
import { type Server, ServerError } from '../server.js';
import { contains } from '../text-ranges.js';
import { outline, toRange } from '../tint-decorations.js';
import { type Annotations, isAnnotatable } from './annotations.js';
import { colorOf } from './label-decorations.js';
import { labelsOf } from './label-words.js';
import { labelledEditor } from './labeller.js';

export const adjudicationType = 'attentionLens.adjudication';

/** The panels that compare two annotators, one for each document and choice of names. */
export class Adjudications implements vscode.Disposable, vscode.WebviewPanelSerializer {
  private readonly panels = new Map<string, AdjudicationPanel>();
  /** Frames around the two texts of the pair that is looked at, as a panel marks query and key. */
  private readonly marks: Marks = {
    left: outline('attentionLens.queryBorder', 'solid'),
    right: outline('attentionLens.keyBorder', 'dashed'),
  };
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly server: Server,
    private readonly annotations: Annotations,
  ) {
    this.subscriptions = [
      this.marks.left,
      this.marks.right,
      vscode.window.registerWebviewPanelSerializer(adjudicationType, this),
      annotations.onDidChange(uri => this.each(panel => panel.uri.toString() === uri.toString() && panel.refresh())),
      server.onDidRun(() => this.each(panel => panel.refresh())),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor, kind }) => {
        // What moves the cursor without a user is no wish to look at something else.
        if (kind !== undefined) this.each(panel => panel.cursorMoved(textEditor));
      }),
    ];
  }

  /** Asks who is compared and who decides, and opens the panel. */
  async open(node?: unknown): Promise<void> {
    const document = (await documentOf(node)) ?? labelledEditor().document;
    if (!isAnnotatable(document)) {
      throw new ServerError(vscode.l10n.t('Save the document first: annotations are kept in a file beside it.'));
    }
    const known = await this.annotations.load(document);
    const names = await askNames(known);
    if (!names) return;
    const target = { uri: document.uri.toString(), name: nameOf(document.uri), ...names };
    const open = this.panels.get(keyOf(target));
    if (open) {
      open.reveal();
      return;
    }
    const panel = vscode.window.createWebviewPanel(adjudicationType, titleOf(target), vscode.ViewColumn.Beside, {});
    this.adopt(panel, target);
  }

  /** After a window reload: the state says what was compared; what has been decided is in the sidecar. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    if (isAdjudicationState(state)) this.adopt(panel, state.target);
    else panel.dispose();
  }

  private adopt(panel: vscode.WebviewPanel, target: AdjudicationTarget): void {
    const key = keyOf(target);
    const { extensionUri, server, annotations, marks } = this;
    this.panels.set(
      key,
      new AdjudicationPanel(panel, target, { extensionUri, server, annotations, marks }, () => this.panels.delete(key)),
    );
  }

  private each(action: (panel: AdjudicationPanel) => void): void {
    for (const panel of this.panels.values()) action(panel);
  }

  dispose(): void {
    this.each(panel => panel.dispose());
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

interface Marks {
  readonly left: vscode.TextEditorDecorationType;
  readonly right: vscode.TextEditorDecorationType;
}

interface Host {
  readonly extensionUri: vscode.Uri;
  readonly server: Server;
  readonly annotations: Annotations;
  readonly marks: Marks;
}

/** One panel: decisions go to the server one after the other, pairs come back; the pair that is looked at is marked in the editor. */
class AdjudicationPanel implements vscode.Disposable {
  readonly uri: vscode.Uri;
  private readonly subscription: vscode.Disposable;
  private isReady = false;
  private isAgreedShown = false;
  private isRefreshing = false;
  private work: Promise<void> = Promise.resolve();
  private result: AdjudicationResult | undefined;
  private focus: PairId | null = null;

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private readonly target: AdjudicationTarget,
    private readonly host: Host,
    onDispose: () => void,
  ) {
    this.uri = vscode.Uri.parse(target.uri, true);
    this.subscription = hookUp(panel, 'adjudication', host, {
      isMessage: isFromAdjudication,
      receive: message => this.receive(message),
      suspend: () => this.suspend(),
      closed: () => {
        this.dispose();
        onDispose();
      },
    });
  }

  reveal(): void {
    this.panel.reveal();
  }

  /** Something of the text, the sidecars or the server has changed. */
  refresh(): void {
    if (!this.isReady || this.isRefreshing) return;
    this.isRefreshing = true;
    this.enqueue(async () => {
      this.isRefreshing = false;
      await this.ask('attentionLens/adjudication', {}, false);
    });
  }

  cursorMoved(editor: vscode.TextEditor): void {
    const { result } = this;
    if (!this.isReady || editor.document.uri.toString() !== this.target.uri) return;
    if (result?.version !== editor.document.version) return;
    const { active } = editor.selection;
    const found = result.pairs.find(pair => rangesOf(pair).some(range => contains(range, active)));
    if (found) this.post({ type: 'focus', id: idOf(found) });
  }

  private receive(message: FromAdjudication): void {
    switch (message.type) {
      case 'ready':
        this.isReady = true;
        this.isAgreedShown = message.isAgreedShown;
        this.post({ type: 'init', strings: panelStrings(), target: this.target });
        this.refresh();
        break;
      case 'decide':
        this.decide({ decisions: message.decisions });
        break;
      case 'decideAll':
        this.decide({ allOpen: message.choice });
        break;
      case 'agreed':
        this.isAgreedShown = message.isShown;
        this.refresh();
        break;
      case 'focus':
        this.focus = message.id;
        void this.show(message.isRevealed);
        break;
      case 'refresh':
        this.refresh();
        break;
    }
  }

  private decide(what: Pick<AdjudicateParams, 'decisions' | 'allOpen'>): void {
    this.enqueue(() =>
      this.ask('attentionLens/adjudicate', { ...what, title: vscode.l10n.t('decide between annotators') }, true),
    );
  }

  /** Asks, and passes on the answer; a failure is an answer too. */
  private async ask(
    method: 'attentionLens/adjudication' | 'attentionLens/adjudicate',
    what: Omit<AdjudicateParams, 'textDocument' | keyof AdjudicationNames>,
    isAnswer: boolean,
  ): Promise<void> {
    const { left, right, into, uri } = this.target;
    try {
      const document = await this.document();
      // Only for the colours: a text that keeps changing is no reason not to decide.
      const known =
        this.host.annotations.of(this.uri) ?? (await this.host.annotations.load(document).catch(() => undefined));
      this.result = await this.host.annotations.ask(method, {
        textDocument: { uri },
        ...(left === undefined ? {} : { left }),
        ...(right === undefined ? {} : { right }),
        ...(into === undefined ? {} : { into }),
        agreed: this.isAgreedShown,
        ...what,
      });
      const { pairs, agreed, unwritten, problems, changed } = this.result;
      this.post({
        type: 'pairs',
        isAnswer,
        data: { pairs, agreed, unwritten, ...(problems ? { problems } : {}), colors: colorsOf(pairs, known) },
        ...(changed ? { changed } : {}),
      });
    } catch (error) {
      const isLost = error instanceof vscode.CancellationError;
      // A server that comes back says so, and then is asked again.
      if (isLost && !isAnswer) return;
      const message = isLost
        ? vscode.l10n.t('The server gave no answer. The log says why.')
        : error instanceof Error
          ? error.message
          : String(error);
      if (!(error instanceof ServerError) && !isLost) this.host.server.log.error(message);
      this.post({ type: 'failed', message, isAnswer });
    }
  }

  /** Open for the server too: a document that no editor shows is closed after a while. */
  private async document(): Promise<vscode.TextDocument> {
    try {
      return await vscode.workspace.openTextDocument(this.uri);
    } catch {
      throw new ServerError(vscode.l10n.t('{0} could not be opened: it has been moved or deleted.', this.target.name));
    }
  }

  private editors(): vscode.TextEditor[] {
    return vscode.window.visibleTextEditors.filter(({ document }) => document.uri.toString() === this.target.uri);
  }

  /** Frames the pair that is looked at; `isRevealed`: somebody chose it, so it comes on the screen. */
  private async show(isRevealed: boolean): Promise<void> {
    const { focus, result } = this;
    const pair = focus && result?.pairs.find(one => one.left?.id === focus.left && one.right?.id === focus.right);
    if (pair && isRevealed && this.editors().length === 0 && this.panel.active) {
      try {
        await vscode.window.showTextDocument(await this.document(), {
          viewColumn:
            this.panel.viewColumn === vscode.ViewColumn.One ? vscode.ViewColumn.Beside : vscode.ViewColumn.One,
          preserveFocus: true,
          preview: false,
        });
      } catch (error) {
        this.host.server.log.error(String(error));
      }
    }
    for (const editor of this.editors()) {
      // Ranges of another version would frame other words; new ones are on their way.
      if (pair && result?.version !== editor.document.version) continue;
      editor.setDecorations(this.host.marks.left, pair?.left?.ranges.map(toRange) ?? []);
      editor.setDecorations(this.host.marks.right, pair?.right?.ranges.map(toRange) ?? []);
      const [first, ...rest] = pair ? rangesOf(pair).map(toRange) : [];
      if (first && isRevealed) {
        const whole = rest.reduce((all, range) => all.union(range), first);
        editor.revealRange(whole, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      }
    }
  }

  /** One after the other: a decision is about what the one before it left. */
  private enqueue(work: () => Promise<void>): void {
    this.work = this.work.then(work);
  }

  private post(message: ToAdjudication): void {
    if (this.isReady) void this.panel.webview.postMessage(message);
  }

  private suspend(): void {
    this.isReady = false;
    this.focus = null;
    void this.show(false);
  }

  dispose(): void {
    this.suspend();
    this.subscription.dispose();
    this.panel.dispose();
  }
}

/** Who has work on a document, and how much. */
interface Annotator {
  /** Undefined: the one without a name. */
  readonly name: string | undefined;
  readonly count: number;
  /** All of it comes from a comparison like this one. */
  readonly isAdjudicated: boolean;
}

/** Those whose own work it is first. */
function annotatorsOf({ annotations }: AnnotationsResult): Annotator[] {
  const byName = new Map<string | undefined, Annotation[]>();
  for (const annotation of annotations.filter(({ status }) => status === 'accepted')) {
    const list = byName.get(annotation.annotator);
    if (list) list.push(annotation);
    else byName.set(annotation.annotator, [annotation]);
  }
  return [...byName]
    .map(([name, list]) => ({
      name,
      count: list.length,
      isAdjudicated: list.every(({ source }) => source === 'adjudication'),
    }))
    .sort((a, b) => Number(a.isAdjudicated) - Number(b.isAdjudicated) || (a.name ?? '').localeCompare(b.name ?? ''));
}

async function askNames(known: AnnotationsResult): Promise<AdjudicationNames | undefined> {
  const people = annotatorsOf(known);
  if (people.length < 2) {
    throw new ServerError(
      vscode.l10n.t(
        'Two annotators must have labels on this document before they can be compared; {0} has.',
        people.length,
      ),
    );
  }
  const left = await pickAnnotator(people, vscode.l10n.t('First annotator, on the left'));
  if (!left) return undefined;
  const others = people.filter(person => person !== left);
  const right =
    others.length === 1 ? others[0] : await pickAnnotator(others, vscode.l10n.t('Second annotator, on the right'));
  if (!right) return undefined;
  const sides = [left.name, right.name];
  const into = await vscode.window.showInputBox({
    title: vscode.l10n.t('Who decides between {0} and {1}?', wordOf(left), wordOf(right)),
    prompt: vscode.l10n.t(
      'The name of a third annotator, whose sidecar keeps what is decided. Empty: the sidecar without a name.',
    ),
    value: sides.includes(known.annotator)
      ? sides.includes('adjudicated')
        ? ''
        : 'adjudicated'
      : (known.annotator ?? ''),
    validateInput: name => problemOf(name, sides),
  });
  if (into === undefined) return undefined;
  return {
    ...(left.name === undefined ? {} : { left: left.name }),
    ...(right.name === undefined ? {} : { right: right.name }),
    ...(into === '' ? {} : { into }),
  };
}

async function pickAnnotator(people: readonly Annotator[], title: string): Promise<Annotator | undefined> {
  const items = people.map(person => ({
    label: wordOf(person),
    description: labelsOf(person.count),
    ...(person.isAdjudicated ? { detail: vscode.l10n.t('made by comparing annotators') } : {}),
    person,
  }));
  return (await vscode.window.showQuickPick(items, { title }))?.person;
}

const wordOf = ({ name }: Annotator): string => name ?? vscode.l10n.t('(no name)');

/** The rules of the server: letters of one UTF-16 unit, and names that differ in more than case, which is no difference on many disks. */
function problemOf(name: string, sides: readonly (string | undefined)[]): string | undefined {
  if (sides.some(side => (side ?? '').toLowerCase() === name.toLowerCase())) {
    return vscode.l10n.t('The result must not replace one of the sides: choose a third name.');
  }
  if (name !== '' && !/^(?:(?![\u{10000}-\u{10ffff}])[\p{L}\p{Nd}_-]){1,64}$/u.test(name)) {
    return vscode.l10n.t('A name has letters, digits, - and _ only, and at most 64 of them.');
  }
  return undefined;
}

/** The document of a node of the tree. */
async function documentOf(node: unknown): Promise<vscode.TextDocument | undefined> {
  if (typeof node !== 'object' || node === null || !('document' in node)) return undefined;
  const { document } = node;
  if (typeof document !== 'object' || document === null || !('uri' in document)) return undefined;
  const { uri } = document;
  return typeof uri === 'string' ? vscode.workspace.openTextDocument(vscode.Uri.parse(uri, true)) : undefined;
}

const rangesOf = ({ left, right }: AdjudicationPair) => [...(left?.ranges ?? []), ...(right?.ranges ?? [])];

const keyOf = ({ uri, left, right, into }: AdjudicationTarget): string => JSON.stringify([uri, left, right, into]);

const titleOf = ({ name }: AdjudicationTarget): string => vscode.l10n.t('Adjudication: {0}', name);

/** The colours of all labels that are listed, as the editor has them. */
const colorsOf = (pairs: readonly AdjudicationPair[], known: AnnotationsResult | undefined): Record<string, string> =>
  Object.fromEntries(
    pairs
      .flatMap(({ left, right }) => [left, right])
      .flatMap(annotation => {
        if (!annotation) return [];
        const { label, kind } = annotation;
        const listed = known && {
          span: known.labels.spans,
          relation: known.labels.relations,
          document: known.labels.documents,
        };
        return [[label, colorOf(label, listed?.[kind] ?? [])]];
      }),
  );

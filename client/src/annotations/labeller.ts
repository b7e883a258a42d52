import * as vscode from 'vscode';
import type {
  Annotation,
  AnnotationsResult,
  Label,
  LabelAttribute,
  RelationHead,
} from '../../shared/annotation-protocol.js';
import type { CurrentView } from '../current-view.js';
import { type Server, ServerError } from '../server.js';
import { annotationSettings } from '../settings.js';
import { plain } from '../shown-texts.js';
import { type Annotations, isAnnotatable, point } from './annotations.js';
import { statusWords } from './label-hover.js';
import { type Edge, move, type Span, trim, widen, words } from './snap.js';

/** The actions of an annotator on the active editor. */
export class Labeller {
  private lastLabel: string | undefined;
  /** The span that a relation is to start from. */
  private relationFrom: { readonly uri: string; readonly id: string } | undefined;

  constructor(
    private readonly server: Server,
    private readonly annotations: Annotations,
    private readonly view: CurrentView,
  ) {}

  /** Labels the selections, or the word at the cursor. The same label on the same text takes it away; another one replaces it. */
  async label(name: string): Promise<void> {
    const editor = labelledEditor();
    const { document } = editor;
    const ranges = await this.chosen(editor);
    const known = await this.annotations.load(document);
    const same = ranges.map(range => spanOn(known, range));
    this.lastLabel = name;
    const present = same.filter(isThere);
    if (present.length > 0 && present.length === ranges.length) {
      if (present.every(({ label }) => label === name)) {
        await this.annotations.apply(document, { remove: present.map(({ id }) => id), title: taken(present) });
        return;
      }
      await this.annotations.apply(document, {
        change: present.map(({ id }) => ({ id, label: name, status: 'accepted' })),
        title: vscode.l10n.t('relabel as {0}', name),
      });
      return;
    }
    await this.annotations.add(
      document,
      vscode.l10n.t('label {0}', name),
      ...ranges
        .filter((_, index) => !same[index])
        .map(range => ({ kind: 'span' as const, label: name, ranges: [plain(range)] })),
    );
  }

  /** Labels with the n-th span label of the set, counted from 1. */
  async labelWith(index: number): Promise<void> {
    const { labels } = await this.annotations.load(labelledEditor().document);
    const label = labels.spans[index - 1];
    if (label) await this.label(label.name);
    else if (labels.spans.length === 0) await this.pickLabel();
    else
      throw new ServerError(
        vscode.l10n.t('The label set has no label number {0}; it has {1}.', index, labels.spans.length),
      );
  }

  async pickLabel(): Promise<void> {
    const editor = labelledEditor();
    const known = await this.annotations.load(editor.document);
    const [range] = await this.chosen(editor);
    const name = await pickName(
      known.labels.spans,
      used(known, 'span'),
      vscode.l10n.t('Label for "{0}"', range ? shorten(editor.document.getText(range)) : ''),
    );
    if (name) await this.label(name);
  }

  /** All selections as one span of several parts. */
  async labelTogether(): Promise<void> {
    const editor = labelledEditor();
    const known = await this.annotations.load(editor.document);
    const ranges = await this.chosen(editor);
    const name = await pickName(
      known.labels.spans,
      used(known, 'span'),
      ranges[0] && ranges.length === 1
        ? vscode.l10n.t('Label for "{0}"', shorten(editor.document.getText(ranges[0])))
        : vscode.l10n.t('Label for {0} parts as one span', ranges.length),
    );
    if (!name) return;
    this.lastLabel = name;
    await this.annotations.add(editor.document, vscode.l10n.t('label {0}', name), {
      kind: 'span',
      label: name,
      ranges: ranges.map(plain),
    });
  }

  async repeat(): Promise<void> {
    if (!this.lastLabel) throw new ServerError(vscode.l10n.t('Nothing has been labelled yet that could be repeated.'));
    await this.label(this.lastLabel);
  }

  async remove(argument?: string): Promise<void> {
    const { document } = labelledEditor();
    const known = await this.annotations.load(document);
    const found = argument ? known.annotations.find(({ id, own }) => own && id === argument) : await this.ownAtCursor();
    if (found) await this.annotations.apply(document, { remove: [found.id], title: taken([found]) });
  }

  /** Moves an edge of the span at the cursor by a word or token. */
  async resize(edge: Edge, outward: boolean): Promise<void> {
    const editor = labelledEditor();
    const { document } = editor;
    const annotation = await this.ownAtCursor();
    const part = edge === 'end' ? annotation?.ranges.at(-1) : annotation?.ranges[0];
    if (!annotation || !part) return;
    const range = new vscode.Range(point(part.start), point(part.end));
    const units = await this.units(document, range);
    const moved = move(
      units,
      { start: document.offsetAt(range.start), end: document.offsetAt(range.end) },
      edge,
      outward,
    );
    if (!moved) return;
    const next = plain(toRange(document, moved));
    await this.annotations.apply(document, {
      change: [{ id: annotation.id, ranges: annotation.ranges.map(other => (other === part ? next : other)) }],
      title: outward ? vscode.l10n.t('extend {0}', annotation.label) : vscode.l10n.t('shrink {0}', annotation.label),
    });
  }

  /** Twice: from the span at the cursor, then to the span at the cursor. */
  async relate(): Promise<void> {
    const { document } = labelledEditor();
    const at = await this.ownAtCursor();
    if (!at) return;
    const from = this.relationFrom;
    if (!from || from.uri !== document.uri.toString() || from.id === at.id) {
      this.relationFrom = { uri: document.uri.toString(), id: at.id };
      vscode.window.setStatusBarMessage(
        vscode.l10n.t(
          'Relation from "{0}": put the cursor on the other span and relate again.',
          shorten(at.quote ?? ''),
        ),
        15_000,
      );
      return;
    }
    this.relationFrom = undefined;
    const known = await this.annotations.load(document);
    const first = known.annotations.find(({ id, own }) => own && id === from.id);
    if (!first) throw new ServerError(vscode.l10n.t('The first span of the relation is not there any more.'));
    // Evidence beside the choice; a model that cannot be asked is no reason not to relate.
    const heads = await this.annotations
      .ask('attentionLens/relationCandidates', {
        textDocument: { uri: document.uri.toString() },
        from: first.id,
        to: at.id,
        view: this.view.value,
      })
      .catch(() => undefined);
    const fits = (allowed: readonly string[] | undefined, label: string) => !allowed || allowed.includes(label);
    const allowed = known.labels.relations.filter(
      relation => fits(relation.from, first.label) && fits(relation.to, at.label),
    );
    const [best] = heads?.heads ?? [];
    const name = await pickName(
      allowed.length > 0 ? allowed : known.labels.relations,
      used(known, 'relation'),
      `${shorten(first.quote ?? '')} → ${shorten(at.quote ?? '')}`,
      best && heads ? headWords(best, heads.uniform ?? 0) : undefined,
    );
    if (!name) return;
    await this.annotations.add(document, vscode.l10n.t('relate {0}', name), {
      kind: 'relation',
      label: name,
      from: first.id,
      to: at.id,
    });
  }

  async labelDocument(): Promise<void> {
    const { document } = labelledEditor();
    const known = await this.annotations.load(document);
    const present = known.annotations.filter(({ kind, own }) => own && kind === 'document');
    const name = await pickName(
      known.labels.documents,
      used(known, 'document'),
      vscode.l10n.t('Label of the document'),
      undefined,
      present.map(({ label }) => label),
    );
    if (!name) return;
    const same = present.find(({ label }) => label === name);
    // One choice replaces another; with none in the set a document may have several.
    const replaced = known.labels.documents.length > 0 ? present : [];
    await this.annotations.apply(document, {
      remove: same ? [same.id] : replaced.map(({ id }) => id),
      ...(same ? {} : { add: [{ kind: 'document' as const, label: name }] }),
      title: vscode.l10n.t('document label {0}', name),
    });
  }

  /** @returns whether the document is approved now. */
  async approve(isApproved?: boolean): Promise<boolean> {
    const { document } = labelledEditor();
    const known = await this.annotations.load(document);
    const wanted = isApproved ?? !known.approved;
    if (wanted === known.approved) return wanted;
    await this.annotations.apply(
      document,
      wanted
        ? { add: [{ kind: 'approval', label: 'approved' }], title: vscode.l10n.t('approve the document') }
        : { remove: ['approval'], title: vscode.l10n.t('take the approval back') },
    );
    return wanted;
  }

  async editAttributes(): Promise<void> {
    const { document } = labelledEditor();
    const at = await this.ownAtCursor();
    if (!at) return;
    const known = await this.annotations.load(document);
    const attributes: LabelAttribute[] = [
      ...known.labels.attributes.filter(({ on }) => !on || on.includes(at.label)),
      { name: 'note', title: vscode.l10n.t('Note') },
    ];
    const chosen = await vscode.window.showQuickPick(
      attributes.map(attribute => ({
        label: attribute.title ?? attribute.name,
        description: at.attributes?.[attribute.name] ?? attribute.default ?? '',
        ...(attribute.description ? { detail: attribute.description } : {}),
        attribute,
      })),
      { title: vscode.l10n.t('Attributes of {0} "{1}"', at.label, shorten(at.quote ?? '')) },
    );
    if (!chosen) return;
    const { name, values } = chosen.attribute;
    const value = values
      ? await vscode.window
          .showQuickPick(
            [...values, ''].map(label => ({ label: label || vscode.l10n.t('(none)'), value: label })),
            { title: chosen.label },
          )
          .then(picked => picked?.value)
      : await vscode.window.showInputBox({ title: chosen.label, value: at.attributes?.[name] ?? '' });
    if (value === undefined) return;
    const { [name]: _, ...rest } = at.attributes ?? {};
    await this.annotations.apply(document, {
      change: [{ id: at.id, attributes: value ? { ...rest, [name]: value } : rest }],
      title: vscode.l10n.t('set {0}', name),
    });
  }

  async history(redo: boolean): Promise<void> {
    const { document } = labelledEditor();
    const { title } = await this.annotations.ask('attentionLens/annotationHistory', {
      textDocument: { uri: document.uri.toString() },
      redo,
    });
    vscode.window.setStatusBarMessage(
      redo ? vscode.l10n.t('Done again: {0}', title ?? '') : vscode.l10n.t('Taken back: {0}', title ?? ''),
      3000,
    );
    await this.annotations.refresh(document.uri);
  }

  /** The annotator's own span at the cursor; asks where several are as good. */
  async ownAtCursor(): Promise<Annotation | undefined> {
    const editor = labelledEditor();
    await this.annotations.load(editor.document);
    const found = this.annotations
      .at(editor.document, editor.selection.active)
      .filter(({ own, status }) => own && status === 'accepted');
    if (found.length === 0) throw new ServerError(vscode.l10n.t('There is no label of yours at the cursor.'));
    if (found.length === 1) return found[0];
    const chosen = await vscode.window.showQuickPick(
      found.map(annotation => ({
        label: annotation.label,
        description: shorten(annotation.quote ?? ''),
        detail: statusWords(annotation),
        annotation,
      })),
      { title: vscode.l10n.t('Which one?') },
    );
    return chosen?.annotation;
  }

  /** What is to be labelled: the selections, or the word at each cursor, widened as the setting says. */
  private async chosen(editor: vscode.TextEditor): Promise<vscode.Range[]> {
    const ranges: vscode.Range[] = [];
    for (const selection of editor.selections) {
      const range = await this.snapped(editor.document, selection);
      if (range && !ranges.some(other => other.isEqual(range))) ranges.push(range);
    }
    if (ranges.length === 0) {
      throw new ServerError(vscode.l10n.t('There is no text to label here; put the cursor on a word or select one.'));
    }
    return ranges;
  }

  private async snapped(document: vscode.TextDocument, selection: vscode.Range): Promise<vscode.Range | undefined> {
    const text = document.getText();
    const span = { start: document.offsetAt(selection.start), end: document.offsetAt(selection.end) };
    const inside = selection.isEmpty ? span : trim(text, span);
    if (!selection.isEmpty && annotationSettings().snap === 'none')
      return inside.start < inside.end ? toRange(document, inside) : undefined;
    const found = widen(await this.units(document, toRange(document, inside)), inside);
    if (found) return toRange(document, found);
    // Punctuation and symbols are no words, but a selection of them is meant.
    return inside.start < inside.end ? toRange(document, inside) : undefined;
  }

  /** Words or tokens around a range, as offsets of the document. */
  private async units(document: vscode.TextDocument, range: vscode.Range): Promise<Span[]> {
    if (annotationSettings().snap === 'token') {
      const source = new vscode.CancellationTokenSource();
      try {
        const scope = {
          textDocument: { uri: document.uri.toString() },
          range: { start: plain(range).start, end: plain(range).start },
        };
        const answer = await this.server.request(
          'attentionLens/tokens',
          { scope, view: this.view.value },
          source.token,
        );
        const found = (answer?.tokens ?? []).flatMap(token => (token.range ? [token.range] : []));
        if (answer?.version === document.version && found.length > 0) {
          return found.map(token => ({
            start: document.offsetAt(point(token.start)),
            end: document.offsetAt(point(token.end)),
          }));
        }
      } finally {
        source.dispose();
      }
    }
    // A line more on each side, so that a span can grow beyond its own.
    const first = document.lineAt(Math.max(0, range.start.line - 1)).range.start;
    const last = document.lineAt(Math.min(document.lineCount - 1, range.end.line + 1)).range.end;
    const base = document.offsetAt(first);
    return words(document.getText(new vscode.Range(first, last))).map(({ start, end }) => ({
      start: base + start,
      end: base + end,
    }));
  }
}

/** @throws ServerError with what to do. */
export function labelledEditor(): vscode.TextEditor {
  const editor = vscode.window.activeTextEditor;
  if (!editor) throw new ServerError(vscode.l10n.t('Open a text file first: labels are put on text in an editor.'));
  if (!isAnnotatable(editor.document)) {
    throw new ServerError(vscode.l10n.t('Save the document first: annotations are kept in a file beside it.'));
  }
  return editor;
}

export const shorten = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ');
  const characters = [...line];
  return characters.length > 40 ? `${characters.slice(0, 39).join('')}…` : line;
};

const toRange = (document: vscode.TextDocument, { start, end }: Span): vscode.Range =>
  new vscode.Range(document.positionAt(start), document.positionAt(end));

const isThere = <T>(value: T | undefined): value is T => value !== undefined;

const taken = (removed: readonly Annotation[]) => vscode.l10n.t('take {0} away', removed[0]?.label ?? '');

/** The annotator's accepted span on exactly this range. */
const spanOn = ({ annotations }: AnnotationsResult, range: vscode.Range): Annotation | undefined =>
  annotations.find(
    ({ kind, own, status, ranges: [only, ...more] }) =>
      kind === 'span' &&
      own &&
      status === 'accepted' &&
      only &&
      more.length === 0 &&
      range.isEqual(new vscode.Range(point(only.start), point(only.end))),
  );

/** Labels that a document has and its set does not list: without a set, all of them. */
const used = ({ annotations, labels }: AnnotationsResult, kind: Annotation['kind']): string[] => {
  const listed = { span: labels.spans, relation: labels.relations, document: labels.documents }[kind];
  const names = annotations.filter(annotation => annotation.kind === kind).map(({ label }) => label);
  return [...new Set(names)].filter(name => !listed.some(label => label.name === name)).sort();
};

export const headWords = ({ layer, head, forward, backward }: RelationHead, uniform: number): string =>
  forward >= backward
    ? vscode.l10n.t(
        'Strongest: layer {0} head {1} looks ahead with {2} (evenly spread: {3})',
        layer,
        head,
        forward.toFixed(3),
        uniform.toFixed(3),
      )
    : vscode.l10n.t(
        'Strongest: layer {0} head {1} looks back with {2} (evenly spread: {3})',
        layer,
        head,
        backward.toFixed(3),
        uniform.toFixed(3),
      );

interface NameItem extends vscode.QuickPickItem {
  readonly name?: string;
}

/** A label of the set, by fuzzy match; where there is no set, also one that is typed. */
function pickName(
  labels: readonly Label[],
  others: readonly string[],
  title: string,
  placeholder?: string,
  checked: readonly string[] = [],
): Promise<string | undefined> {
  const picker = vscode.window.createQuickPick<NameItem>();
  picker.title = title;
  picker.placeholder =
    placeholder ?? (labels.length > 0 ? vscode.l10n.t('Type a few letters of a label') : vscode.l10n.t('Type a label'));
  picker.matchOnDescription = true;
  picker.matchOnDetail = true;
  const listed: NameItem[] = [
    ...labels.map(({ name, title: words, description, key }) => ({
      label: `${checked.includes(name) ? '$(check) ' : ''}${name}`,
      description: [words, key && `[${key}]`].filter(Boolean).join(' '),
      ...(description ? { detail: description } : {}),
      name,
    })),
    ...others.map(name => ({ label: name, name })),
  ];
  picker.items = listed;
  // A set is reviewed: what it does not list is not made up on the way.
  const isOpen = labels.length === 0;
  return new Promise(resolve => {
    picker.onDidChangeValue(value => {
      const typed = value.trim();
      const isNew = isOpen && typed !== '' && !listed.some(({ name }) => name === typed);
      picker.items = isNew
        ? [...listed, { label: typed, description: vscode.l10n.t('new label'), alwaysShow: true, name: typed }]
        : listed;
    });
    picker.onDidAccept(() => {
      resolve(picker.activeItems[0]?.name);
      picker.hide();
    });
    picker.onDidHide(() => {
      resolve(undefined);
      picker.dispose();
    });
    picker.show();
  });
}

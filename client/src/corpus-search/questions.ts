import path from 'node:path';
import * as vscode from 'vscode';
import type { Question, SearchIndex } from '../../shared/search-protocol.js';
import type { CurrentView } from '../current-view.js';
import { ServerError } from '../server.js';
import { headOf, type WordClass, weightOf, wordClasses } from './hits.js';

const indexFile = 'search.sqlite';
const rememberedKey = 'corpusSearchQuestion';

/** What was asked last, in the words in which it was typed. */
interface Remembered {
  readonly find?: Question['find'];
  readonly head?: string;
  readonly from?: string;
  readonly to?: string;
  readonly least?: string;
  readonly word?: string;
}

/** Asks for a question by quick inputs that begin with what was asked last. */
export class Questions {
  constructor(
    private readonly memento: vscode.Memento,
    private readonly view: CurrentView,
  ) {}

  /** @returns undefined when the user gave up. */
  async ask(index: SearchIndex, indexPath: string): Promise<Question | undefined> {
    const { find } = this.last;
    const titles: Record<Question['find'], string> = {
      attention: vscode.l10n.t('Where a head attends from one kind of word to another'),
      changed: vscode.l10n.t('Masks for which another run predicts another word'),
      nearest: vscode.l10n.t('Contexts most like that of a word'),
    };
    const items = (['attention', 'changed', 'nearest'] as const).map(kind => ({
      label: titles[kind],
      ...(isKept(index, kind) ? {} : { detail: notKept(kind) }),
      find: kind,
    }));
    const chosen = await vscode.window.showQuickPick(
      items.sort((a, b) => Number(b.find === find) - Number(a.find === find)),
      { title: vscode.l10n.t('What to search for') },
    );
    if (!chosen) return undefined;
    if (!isKept(index, chosen.find)) throw new ServerError(notKept(chosen.find));
    await this.remember({ find: chosen.find });
    if (chosen.find === 'attention') return this.askAttention(index);
    if (chosen.find === 'nearest') return this.askNearest();
    const other = await pickIndex(vscode.l10n.t('Index of the run to compare with'), indexPath);
    return other === undefined ? undefined : { find: 'changed', other };
  }

  /** The word under the cursor, at its place. */
  atCursor(editor: vscode.TextEditor): Question | undefined {
    const { document, selection } = editor;
    const range = selection.isEmpty ? document.getWordRangeAtPosition(selection.active) : selection;
    const word = range && document.getText(range).normalize('NFC').trim();
    if (!word || /\s/.test(word)) return undefined;
    return { find: 'nearest', word, document: document.uri.fsPath, offset: document.offsetAt(range.start) };
  }

  private get last(): Remembered {
    return this.memento.get<Remembered>(rememberedKey, {});
  }

  private async remember(some: Remembered): Promise<void> {
    await this.memento.update(rememberedKey, { ...this.last, ...some });
  }

  private async askAttention(index: SearchIndex): Promise<Question | undefined> {
    const { last } = this;
    const { layer, head } = this.view.value;
    const shown = typeof layer === 'number' && typeof head === 'number' ? `${layer}.${head}` : '0.0';
    const most = `${index.layers - 1}.${index.heads - 1}`;
    const title = (step: number) => vscode.l10n.t('Where a head attends ({0} of {1})', step, 4);
    const typed = await vscode.window.showInputBox({
      title: title(1),
      prompt: vscode.l10n.t('The head, as LAYER.HEAD, from 0.0 to {0}', most),
      value: last.head && headOf(last.head, index) ? last.head : headOf(shown, index) ? shown : '0.0',
      validateInput: text =>
        headOf(text, index) ? undefined : vscode.l10n.t('Type LAYER.HEAD, from 0.0 to {0}.', most),
    });
    const found = typed === undefined ? undefined : headOf(typed, index);
    if (typed === undefined || !found) return undefined;
    const from = await pickWord(title(2), vscode.l10n.t('The word that attends'), last.from ?? 'pronoun');
    if (!from) return undefined;
    const to = await pickWord(title(3), vscode.l10n.t('The word attended to'), last.to ?? 'name');
    if (!to) return undefined;
    const least = await vscode.window.showInputBox({
      title: title(4),
      prompt: vscode.l10n.t('The smallest weight, from {0}, below which nothing is in the index, to 1', index.least),
      value: last.least ?? '0.3',
      validateInput: text => (weightOf(text) === undefined ? vscode.l10n.t('Type a number from 0 to 1.') : undefined),
    });
    const weight = least === undefined ? undefined : weightOf(least);
    if (least === undefined || weight === undefined) return undefined;
    await this.remember({ head: typed.trim(), from, to, least });
    return { find: 'attention', ...found, from, to, least: weight };
  }

  private async askNearest(): Promise<Question | undefined> {
    const editor = vscode.window.activeTextEditor;
    const here = editor && this.atCursor(editor);
    const cursor = here?.find === 'nearest' ? here : undefined;
    const word = await vscode.window.showInputBox({
      title: vscode.l10n.t('Contexts most like that of a word'),
      prompt: vscode.l10n.t('A word, or a /regular expression/; the one under the cursor is meant where it stands'),
      value: cursor?.word ?? this.last.word ?? '',
      validateInput: text => (text.trim() === '' ? vscode.l10n.t('Type a word.') : undefined),
    });
    if (word === undefined) return undefined;
    await this.remember({ word: word.trim() });
    return cursor?.word === word.trim() ? cursor : { find: 'nearest', word: word.trim() };
  }
}

/** An index of the workspace, or a file that the user chooses. @returns its path. */
export async function pickIndex(title: string, except?: string): Promise<string | undefined> {
  const found = (await vscode.workspace.findFiles(`**/${indexFile}`, undefined, 100)).filter(
    ({ scheme, fsPath }) => scheme === 'file' && fsPath !== except,
  );
  const choose = vscode.l10n.t('Choose a file…');
  const items = found
    .map(uri => ({
      label: vscode.workspace.asRelativePath(path.dirname(uri.fsPath)),
      iconPath: new vscode.ThemeIcon('database'),
      file: uri.fsPath as string | undefined,
    }))
    .sort((a, b) => a.label.localeCompare(b.label));
  if (items.length > 0) {
    const chosen = await vscode.window.showQuickPick(
      [...items, { label: choose, iconPath: new vscode.ThemeIcon('folder-opened'), file: undefined }],
      { title },
    );
    if (!chosen) return undefined;
    if (chosen.file) return chosen.file;
  }
  const [file] =
    (await vscode.window.showOpenDialog({
      title,
      filters: { [vscode.l10n.t('Index of a corpus run')]: ['sqlite'] },
      openLabel: vscode.l10n.t('Open Index'),
    })) ?? [];
  if (file && file.scheme !== 'file') {
    throw new ServerError(vscode.l10n.t('Only an index on this machine can be searched.'));
  }
  return file?.fsPath;
}

/** A class of words, a word or a /regular expression/, whichever is typed. */
function pickWord(title: string, placeholder: string, last: string): Promise<string | undefined> {
  const pick = vscode.window.createQuickPick();
  pick.title = title;
  pick.placeholder = vscode.l10n.t('{0}: a word, a /regular expression/, or one of these', placeholder);
  const classes = wordClasses.map(name => ({ label: name, description: examples()[name] }));
  const isClass = (text: string) => wordClasses.some(name => name === text);
  const kept = isClass(last) ? [] : [{ label: last }];
  const known = [...kept, ...classes.sort((a, b) => Number(b.label === last) - Number(a.label === last))];
  pick.items = known;
  return new Promise(resolve => {
    pick.onDidChangeValue(value => {
      const typed = value.trim();
      const isNew = typed !== '' && !known.some(({ label }) => label === typed);
      // What is typed stands first, so that Enter means it and not a class that it reminds of.
      const items = isNew ? [{ label: typed, alwaysShow: true }, ...known] : known;
      if (items !== pick.items) pick.items = items;
    });
    pick.onDidAccept(() => {
      // Who types and presses Enter at once is faster than the list.
      resolve(pick.selectedItems[0]?.label ?? (pick.value.trim() || undefined));
      pick.hide();
    });
    pick.onDidHide(() => {
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

const examples = (): Record<WordClass, string> => ({
  any: vscode.l10n.t('every word and sign'),
  word: vscode.l10n.t('whatever has letters'),
  pronoun: vscode.l10n.t('he, it, who, this, 他 …'),
  name: vscode.l10n.t('a capital inside a sentence'),
  determiner: vscode.l10n.t('the, a, my, every, 每 …'),
  preposition: vscode.l10n.t('of, in, with, 在 …'),
  conjunction: vscode.l10n.t('and, but, because, 和 …'),
  auxiliary: vscode.l10n.t('is, has, will, can, 是 …'),
  negation: vscode.l10n.t('not, never, nobody, 不 …'),
  number: vscode.l10n.t('12, 3.5, 50% …'),
  punctuation: vscode.l10n.t('signs without letters'),
});

const isKept = ({ keep }: SearchIndex, find: Question['find']): boolean =>
  ({
    attention: keep.includes('heads') || keep.includes('edges'),
    changed: keep.includes('predictions'),
    nearest: keep.includes('hidden'),
  })[find];

const notKept = (find: Question['find']): string =>
  ({
    attention: vscode.l10n.t(
      'The run kept no attention; run it with --keep heads or --keep edges, and index it again.',
    ),
    changed: vscode.l10n.t('The run kept no predictions; run it with --keep predictions, and index it again.'),
    nearest: vscode.l10n.t('The run kept no hidden states; run it with --keep hidden, and index it again.'),
  })[find];

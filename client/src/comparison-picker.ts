import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Comparison, PanelTarget } from '../shared/panel.js';
import { ServerError } from './server.js';
import type { ShownTexts } from './shown-texts.js';
import { isEmpty, shiftRange } from './text-ranges.js';
import type { TextVersions } from './text-versions.js';
import { toRange } from './tint-decorations.js';

interface ComparisonItem extends vscode.QuickPickItem {
  readonly choose?: () => Promise<Comparison | null | undefined> | Comparison | null;
}

/** Longer previews are cut by the list anyway. */
const previewLength = 80;
const keptModels = 5;
const modelsKey = 'comparedModels';

/** Asks what a text is to be compared with, and keeps the text that was selected for that. */
export class ComparisonPicker implements vscode.Disposable {
  private selected: PanelTarget | undefined;
  private readonly subscription: vscode.Disposable;

  constructor(
    private readonly shown: ShownTexts,
    private readonly versions: TextVersions,
    private readonly memento: vscode.Memento,
  ) {
    this.subscription = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      if (this.selected?.uri !== document.uri.toString() || contentChanges.length === 0) return;
      this.selected = { ...this.selected, range: shiftRange(this.selected.range, contentChanges) };
    });
  }

  /** As in the explorer: what is selected now is what the next comparison is with. */
  select(target: PanelTarget): void {
    this.selected = target;
  }

  /** Null: another layer or head of the same text; undefined: the user changed their mind. */
  async pick(uri: vscode.Uri, textId: number | undefined): Promise<Comparison | null | undefined> {
    const items: ComparisonItem[] = [
      { label: vscode.l10n.t('Another layer or head of this text'), iconPath: icon('layers'), choose: () => null },
      separator(vscode.l10n.t('versions')),
    ];
    if (uri.scheme === 'file' || uri.scheme === 'vscode-vfs') {
      items.push({ label: vscode.l10n.t('The saved file'), iconPath: icon('save'), choose: () => ({ kind: 'saved' }) });
    }
    if (this.versions.hasHead(uri)) {
      items.push({
        label: vscode.l10n.t('The committed file (git HEAD)'),
        iconPath: icon('git-commit'),
        choose: () => ({ kind: 'head' }),
      });
    }
    items.push(separator(vscode.l10n.t('texts')), ...(await this.texts(uri, textId)));
    items.push(separator(vscode.l10n.t('models')), ...this.models());
    const picked = await vscode.window.showQuickPick(items, {
      title: vscode.l10n.t('Compare the attention of this text with'),
      matchOnDescription: true,
    });
    return picked?.choose?.();
  }

  private async texts(uri: vscode.Uri, textId: number | undefined): Promise<ComparisonItem[]> {
    const targets: (PanelTarget & { readonly isSelected: boolean })[] = [];
    if (this.selected) targets.push({ ...this.selected, isSelected: true });
    for (const shownUri of this.shown.uris) {
      for (const { id, asked } of this.shown.of(shownUri)) {
        if (id === textId && shownUri.toString() === uri.toString()) continue;
        targets.push({ uri: shownUri.toString(), name: nameOf(shownUri), range: asked, isSelected: false });
      }
    }
    const items: ComparisonItem[] = [];
    for (const { isSelected, ...target } of targets) {
      const preview = await previewOf(target);
      if (preview === undefined) continue;
      items.push({
        label: preview,
        description: `${target.name}:${target.range.start.line + 1}`,
        ...(isSelected ? { detail: vscode.l10n.t('selected for compare') } : {}),
        iconPath: icon('selection'),
        choose: () => ({ kind: 'text', target }),
      });
    }
    return items;
  }

  private models(): ComparisonItem[] {
    const known = this.memento.get<readonly string[]>(modelsKey, []);
    return [
      ...known.map(
        (model): ComparisonItem => ({
          label: path.basename(model),
          description: model,
          iconPath: icon('chip'),
          choose: () => this.model(model),
        }),
      ),
      {
        label: vscode.l10n.t('A model folder…'),
        iconPath: icon('folder-opened'),
        choose: async () => {
          const folder = await pickFolder(vscode.l10n.t('Model to compare with'));
          return folder ? this.model(folder) : undefined;
        },
      },
      {
        label: vscode.l10n.t('A model by name or path…'),
        iconPath: icon('edit'),
        choose: async () => {
          const name = await askName(vscode.l10n.t('Model to compare with'));
          return name ? this.model(name) : undefined;
        },
      },
    ];
  }

  dispose(): void {
    this.subscription.dispose();
  }

  private async model(model: string): Promise<Comparison> {
    if (!vscode.workspace.isTrusted) {
      throw new ServerError(vscode.l10n.t('Another model is loaded only in a trusted workspace.'));
    }
    const known = this.memento.get<readonly string[]>(modelsKey, []).filter(other => other !== model);
    await this.memento.update(modelsKey, [model, ...known].slice(0, keptModels));
    return { kind: 'model', model };
  }
}

/** The path of a model's folder. */
export async function pickFolder(title: string): Promise<string | undefined> {
  const options = { title, canSelectFiles: false, canSelectFolders: true, openLabel: vscode.l10n.t('Use This Model') };
  return (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
}

export async function askName(title: string): Promise<string | undefined> {
  const prompt = vscode.l10n.t('A folder, or the name of a model that is already on this machine');
  return (await vscode.window.showInputBox({ title, prompt }))?.trim() || undefined;
}

export const nameOf = (uri: vscode.Uri): string => uri.path.split('/').at(-1) ?? uri.toString();

const icon = (name: string): vscode.ThemeIcon => new vscode.ThemeIcon(name);

const separator = (label: string): ComparisonItem => ({ label, kind: vscode.QuickPickItemKind.Separator });

/** The beginning of a text on one line; undefined where its document is gone. */
async function previewOf({ uri, range }: PanelTarget): Promise<string | undefined> {
  try {
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(uri, true));
    const text = isEmpty(range) ? document.lineAt(range.start.line).text : document.getText(toRange(range));
    const line = [...text.trim().replaceAll(/\s+/g, ' ')];
    return line.length > previewLength ? `${line.slice(0, previewLength).join('')}…` : line.join('');
  } catch {
    return undefined;
  }
}

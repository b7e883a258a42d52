import * as vscode from 'vscode';
import { isHeadSet, type ModelSummary, type Pick, type Stack, sameView, type ViewChoice } from '../shared/protocol.js';
import type { CurrentView } from './current-view.js';
import { attentionFileScheme, type Server } from './server.js';
import { stackLabel, viewLabel } from './view-words.js';

interface ViewItem extends vscode.QuickPickItem {
  readonly view?: ViewChoice;
}

interface Shape {
  readonly stack?: Stack;
  readonly layers: number;
  readonly heads: number;
}

function shapesOf(model: ModelSummary): Shape[] {
  if (model.kind !== 'encoderDecoder') return [{ layers: model.layers, heads: model.heads }];
  const layers = model.decoderLayers ?? model.layers;
  const heads = model.decoderHeads ?? model.heads;
  return [
    { stack: 'encoder', layers: model.layers, heads: model.heads },
    { stack: 'decoder', layers, heads },
    { stack: 'cross', layers, heads },
  ];
}

const picks = (count: number): Pick[] => ['mean', ...Array.from({ length: count }, (_, index) => index)];

/** Every layer and head of the model, means included, grouped by layer. */
export function viewItems(model: ModelSummary, kept: Partial<ViewChoice> = {}): ViewItem[] {
  const withKept = (view: ViewChoice): ViewChoice => ({ ...kept, ...view });
  const items: ViewItem[] = [
    {
      label: viewLabel({ layer: 'auto', head: 'mean' }),
      description: vscode.l10n.t('chosen for you: it says most about the text'),
      view: withKept({ layer: 'auto', head: 'mean' }),
    },
  ];
  for (const { stack, layers, heads } of shapesOf(model)) {
    for (const layer of picks(layers)) {
      const group = layer === 'mean' ? vscode.l10n.t('mean of layers') : vscode.l10n.t('layer {0}', layer);
      items.push({
        label: stack ? `${stackLabel(stack)} · ${group}` : group,
        kind: vscode.QuickPickItemKind.Separator,
      });
      for (const head of picks(heads)) {
        const view: ViewChoice = stack ? { layer, head, stack } : { layer, head };
        items.push({ label: viewLabel(view), view: withKept(view) });
      }
    }
  }
  return items;
}

/** What is typed, where it is a set of heads: their mean. The filter of the list must not hide it. */
export function headSetItem(text: string, kept: Partial<ViewChoice>): ViewItem | null {
  if (!isHeadSet(text)) return null;
  const view: ViewChoice = { ...kept, layer: 'mean', head: 'mean', heads: text.trim() };
  return { label: viewLabel(view), description: vscode.l10n.t('several heads as one'), alwaysShow: true, view };
}

/** Of a file of attention, which has layers and heads of its own; undefined for whatever the loaded model reads. */
export async function fileModel(server: Server, uri: vscode.Uri | undefined): Promise<ModelSummary | undefined> {
  if (uri?.scheme !== attentionFileScheme) return undefined;
  const source = new vscode.CancellationTokenSource();
  try {
    const file = await server.request('attentionLens/attentionFile', { uri: uri.toString() }, source.token);
    return file?.model;
  } finally {
    source.dispose();
  }
}

/** A quick pick that shows each view while it is gone through, and goes back on Escape. */
export function pickView(model: ModelSummary, current: CurrentView): Promise<void> {
  const before = current.value;
  const picker = vscode.window.createQuickPick<ViewItem>();
  picker.title = vscode.l10n.t('Layer and head of {0}', model.name);
  picker.placeholder = vscode.l10n.t(
    'Type numbers, such as 3 5, several heads, such as 3.5,4.*,6-8.2, or go through the list',
  );
  const { layer: _, head: __, heads, stack: ___, ...kept } = before;
  const listed = viewItems(model, kept);
  const offer = (text: string) => headSetItem(text, before.stack ? { ...kept, stack: before.stack } : kept);
  const shown = offer(heads ?? '');
  picker.items = shown ? [shown, ...listed] : listed;
  const active = picker.items.find(item => item.view && sameView(item.view, before));
  if (active) picker.activeItems = [active];
  let isOffered = shown !== null;
  picker.onDidChangeValue(text => {
    const typed = offer(text);
    if (!typed && !isOffered) return;
    isOffered = typed !== null;
    picker.items = typed ? [typed, ...listed] : listed;
    if (typed) picker.activeItems = [typed];
  });
  return new Promise(resolve => {
    let accepted = false;
    let isMoved = false;
    picker.onDidChangeActive(([item]) => {
      // The first event only reports where the list starts.
      if (item?.view && (isMoved || item !== active)) current.set(item.view);
      isMoved = true;
    });
    picker.onDidAccept(() => {
      accepted = true;
      const view = picker.activeItems[0]?.view;
      if (view) current.set(view);
      picker.hide();
    });
    picker.onDidHide(() => {
      if (!accepted) current.set(before);
      picker.dispose();
      resolve();
    });
    picker.show();
  });
}

import * as vscode from 'vscode';
import type { View, ViewChoice } from '../shared/protocol.js';

/** "layer 3 · head 5", with the numbers that the server uses; of a choice left to the server what has come of it, once that is known. */
export const viewLabel = (choice: ViewChoice, resolved?: View): string => {
  if (choice.layer === 'auto') {
    const clearest = vscode.l10n.t('clearest head');
    return resolved ? `${viewLabel(choice.method ? resolved : withoutMethod(resolved))} · ${clearest}` : clearest;
  }
  const view: View = { ...choice, layer: choice.layer };
  const parts = view.heads
    ? [vscode.l10n.t('heads {0}', view.heads)]
    : [
        view.layer === 'mean' ? vscode.l10n.t('mean of layers') : vscode.l10n.t('layer {0}', view.layer),
        view.head === 'mean' ? vscode.l10n.t('mean of heads') : vscode.l10n.t('head {0}', view.head),
      ];
  if (view.stack && view.stack !== 'encoder') parts.unshift(stackLabel(view.stack));
  if (view.method) parts.push(view.method);
  if (view.changes) parts.push(vscode.l10n.t('changed'));
  return parts.join(' · ');
};

const withoutMethod = ({ method: _, ...view }: View): View => view;

export const stackLabel = (stack: NonNullable<View['stack']>): string =>
  ({
    encoder: vscode.l10n.t('encoder'),
    decoder: vscode.l10n.t('decoder'),
    cross: vscode.l10n.t('cross-attention'),
    vision: vscode.l10n.t('vision'),
  })[stack];

import * as vscode from 'vscode';
import type { View } from '../shared/protocol.js';

/** "layer 3 · head 5", with the numbers that the server uses. */
export const viewLabel = (view: View): string => {
  const parts = [
    view.layer === 'mean' ? vscode.l10n.t('mean of layers') : vscode.l10n.t('layer {0}', view.layer),
    view.head === 'mean' ? vscode.l10n.t('mean of heads') : vscode.l10n.t('head {0}', view.head),
  ];
  if (view.stack && view.stack !== 'encoder') parts.unshift(stackLabel(view.stack));
  if (view.method) parts.push(view.method);
  return parts.join(' · ');
};

export const stackLabel = (stack: NonNullable<View['stack']>): string =>
  ({
    encoder: vscode.l10n.t('encoder'),
    decoder: vscode.l10n.t('decoder'),
    cross: vscode.l10n.t('cross-attention'),
    vision: vscode.l10n.t('vision'),
  })[stack];

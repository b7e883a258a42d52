import * as vscode from 'vscode';
import { describeView, type View } from '../shared/protocol.js';

export const viewLabel = (view: View): string => {
  const label = describeView(view, {
    layer: vscode.l10n.t('layer'),
    head: vscode.l10n.t('head'),
    mean: vscode.l10n.t('mean'),
  });
  return view.stack && view.stack !== 'encoder' ? `${stackLabel(view.stack)} · ${label}` : label;
};

export const stackLabel = (stack: NonNullable<View['stack']>): string =>
  ({
    encoder: vscode.l10n.t('encoder'),
    decoder: vscode.l10n.t('decoder'),
    cross: vscode.l10n.t('cross-attention'),
  })[stack];

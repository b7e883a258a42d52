import * as vscode from 'vscode';

export const labelsOf = (count: number): string =>
  count === 1 ? vscode.l10n.t('1 label') : vscode.l10n.t('{0} labels', count);

import type * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import { hoverWhen } from './settings.js';
import type { ShownTexts } from './shown-texts.js';

/**
 * Hovers and highlights of every word in every document would be a nuisance: by default they answer only inside
 * shown text.
 */
export function hoverGate(shown: ShownTexts): Middleware {
  const isOpen = (document: vscode.TextDocument, position: vscode.Position): boolean => {
    const when = hoverWhen();
    return when === 'always' || (when === 'shown' && shown.at(document.uri, position) !== undefined);
  };
  return {
    provideHover: (document, position, token, next) =>
      isOpen(document, position) ? next(document, position, token) : undefined,
    provideDocumentHighlights: (document, position, token, next) =>
      isOpen(document, position) ? next(document, position, token) : undefined,
  };
}

import type * as vscode from 'vscode';
import {
  DocumentHighlightRequest,
  HoverRequest,
  type LanguageClient,
  type Middleware,
} from 'vscode-languageclient/node';
import type { CurrentView } from './current-view.js';
import { hoverWhen } from './settings.js';
import type { ShownTexts } from './shown-texts.js';

/**
 * Hovers and highlights of every word in every document would be a nuisance: by default they answer only inside
 * shown text. There they speak of that text and of the layer and head that the tints show.
 */
export function hoverGate(shown: ShownTexts, view: CurrentView, client: () => LanguageClient | undefined): Middleware {
  /** Undefined: no answer here. */
  const paramsAt = (document: vscode.TextDocument, position: vscode.Position) => {
    const text = shown.at(document.uri, position);
    const when = hoverWhen();
    if (when === 'never' || (when === 'shown' && !text)) return undefined;
    const textDocument = { uri: document.uri.toString() };
    return {
      textDocument,
      position: { line: position.line, character: position.character },
      ...(text ? { scope: shown.scopeOf(document.uri, text), view: view.value } : {}),
    };
  };
  return {
    provideHover: async (document, position, token) => {
      const params = paramsAt(document, position);
      const running = client();
      if (!params || !running) return undefined;
      const hover = await running.sendRequest(HoverRequest.type, params, token);
      return running.protocol2CodeConverter.asHover(hover);
    },
    provideDocumentHighlights: async (document, position, token) => {
      const params = paramsAt(document, position);
      const running = client();
      if (!params || !running) return undefined;
      const highlights = await running.sendRequest(DocumentHighlightRequest.type, params, token);
      return running.protocol2CodeConverter.asDocumentHighlights(highlights, token);
    },
  };
}

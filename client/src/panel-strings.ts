import * as vscode from 'vscode';
import { messages } from '../shared/messages.js';

/** The panel's texts in the user's language; a webview cannot ask for them itself. */
export const panelStrings = (): Record<string, string> =>
  Object.fromEntries(Object.entries(messages).map(([key, message]) => [key, vscode.l10n.t(message)]));

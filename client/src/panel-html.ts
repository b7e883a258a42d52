import * as crypto from 'node:crypto';
import * as vscode from 'vscode';
import type { Server } from './server.js';

/** What the two kinds of panels do each in their own way. */
export interface PanelHooks<Message> {
  readonly isMessage: (value: unknown) => value is Message;
  readonly receive: (message: Message) => void;
  /** A hidden panel loses its content and asks anew with `ready` when it is shown again. */
  readonly suspend: () => void;
  readonly closed: () => void;
}

/** Fills a panel with the page of a bundle and listens to it. */
export function hookUp<Message>(
  panel: vscode.WebviewPanel,
  bundle: string,
  { extensionUri, server }: { readonly extensionUri: vscode.Uri; readonly server: Server },
  hooks: PanelHooks<Message>,
): vscode.Disposable {
  const { webview } = panel;
  const root = vscode.Uri.joinPath(extensionUri, 'dist');
  webview.options = { enableScripts: true, localResourceRoots: [root] };
  panel.iconPath = vscode.Uri.joinPath(extensionUri, 'media', 'icon.png');
  const subscription = vscode.Disposable.from(
    webview.onDidReceiveMessage((message: unknown) => {
      if (hooks.isMessage(message)) hooks.receive(message);
      else server.log.warn('A panel sent a message that is not understood.');
    }),
    panel.onDidChangeViewState(() => {
      if (!panel.visible) hooks.suspend();
    }),
    panel.onDidDispose(hooks.closed),
  );
  webview.html = panelHtml(webview, root, crypto.randomBytes(16).toString('base64'), bundle);
  return subscription;
}

/** The page of a panel, by the name of its bundle. Nothing inline, nothing from the network; colours are set through the CSSOM. */
export function panelHtml(webview: vscode.Webview, root: vscode.Uri, nonce: string, name: string): string {
  const uri = (file: string) => webview.asWebviewUri(vscode.Uri.joinPath(root, file)).toString();
  const policy = [
    "default-src 'none'",
    `img-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
    `style-src ${webview.cspSource}`,
    `script-src 'nonce-${nonce}'`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${vscode.env.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${uri(`${name}.css`)}">
<title>AttentionLens</title>
</head>
<body>
<main id="root"></main>
<script nonce="${nonce}" src="${uri(`${name}.js`)}"></script>
</body>
</html>`;
}

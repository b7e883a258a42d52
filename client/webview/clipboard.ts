/**
 * Puts a PNG (base64) on the clipboard. VS Code lets a webview write there while it has the focus; elsewhere the browser may refuse.
 *
 * @throws DOMException when it does.
 */
export async function copyPicture(png: string): Promise<void> {
  const bytes = Uint8Array.from(atob(png), character => character.charCodeAt(0));
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) })]);
}

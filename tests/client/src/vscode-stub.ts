// The little of the VS Code API that the tested modules touch.

export interface Uri {
  readonly path: string;
}

export const Uri = {
  joinPath: (base: Uri, ...parts: string[]): Uri => ({ path: [base.path, ...parts].join('/') }),
};

export class CancellationTokenSource {
  readonly token = {};
  dispose(): void {}
}

export const env = { language: 'en' };

export const l10n = {
  t: (message: string, ...args: (string | number)[]): string =>
    message.replace(/\{(\d+)\}/g, (_, index: string) => String(args[Number(index)] ?? '')),
};

export const QuickPickItemKind = { Separator: -1, Default: 0 };

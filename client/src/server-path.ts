import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export interface ServerPathOptions {
  readonly extensionPath: string;
  /** Setting attentionLens.server.path; already dropped by VS Code in an untrusted workspace. */
  readonly configured: string;
  readonly isTrusted: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/** How to start what `findServer` found: the universal package holds a .dll, which an installed .NET 10 runs. */
export const serverCommand = (file: string): ServerCommand =>
  file.endsWith('.dll')
    ? { command: 'dotnet', args: [file, 'serve', '--stdio'] }
    : { command: file, args: ['serve', '--stdio'] };

/**
 * The folder the server runs in: the client's choice (the workspace), but the extension's own where the workspace is not
 * trusted. Windows looks for `dotnet` in the current folder before the PATH, and a relative model name begins there.
 */
export const serverFolder = (options: Pick<ServerPathOptions, 'extensionPath' | 'isTrusted'>): string | undefined =>
  options.isTrusted ? undefined : options.extensionPath;

/**
 * Path of the server executable: the setting, then ATTENTIONLENS_SERVER (development), then the one that comes
 * with the extension. A path is executable input, so an untrusted workspace gets the extension's own server.
 *
 * @throws MissingServerError when there is no such file.
 */
export function findServer(options: ServerPathOptions): string {
  const folder = path.join(options.extensionPath, 'server');
  const portable = path.join(folder, 'attention-lens.dll');
  const own = fs.existsSync(portable) ? portable : path.join(folder, executableName(options.platform));
  const configured = options.isTrusted ? expandHome(options.configured.trim()) : '';
  const chosen = configured || options.environment.ATTENTIONLENS_SERVER || own;
  if (fs.existsSync(chosen)) return chosen;
  throw new MissingServerError(chosen, chosen === own);
}

/** What to say is left to whoever speaks the user's language. */
export class MissingServerError extends Error {
  constructor(
    readonly file: string,
    /** The extension's own: this package is for another platform. */
    readonly isOwn: boolean,
  ) {
    super(`no server at ${file}`);
  }
}

const executableName = (platform: NodeJS.Platform): string =>
  platform === 'win32' ? 'attention-lens.exe' : 'attention-lens';

const expandHome = (file: string): string => (file.startsWith('~/') ? path.join(os.homedir(), file.slice(2)) : file);

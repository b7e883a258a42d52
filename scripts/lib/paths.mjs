import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const dist = path.join(root, 'dist');
export const out = path.join(root, 'out');

/** Shared by every clone of this user, so that a fresh clone does not compile VS Code's native modules again. */
export const cache =
  process.env.ATTENTIONLENS_CACHE ??
  path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'attentionlens');

export const executableName = process.platform === 'win32' ? 'attention-lens.exe' : 'attention-lens';

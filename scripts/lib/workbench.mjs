// VS Code in the browser (code-server), installed from npm without the downloads from GitHub that its own
// install scripts make, so that it works behind a registry mirror. Kept outside the repository: it is 430 MB, takes
// minutes to compile, and `npm ci` in the repository would wipe an install nested in it.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cache, root } from './paths.mjs';
import { run, StepError, which } from './process.mjs';
import { ensurePrograms } from './requirements.mjs';

const recipe = path.join(root, 'tests/e2e/workbench');
// Part of the folder's name: raise it when the steps below change.
const recipeVersion = 1;

/** Folder of the installed workbench; installs it when it is not there. */
export async function ensureWorkbench() {
  if (process.platform === 'win32') {
    throw new StepError(
      'The browser workbench needs Linux or macOS (on Windows: inside WSL). Install desktop VS Code and put `code` on the PATH instead.',
    );
  }
  await ensurePrograms('ripgrep');
  const lock = await readFile(path.join(recipe, 'package-lock.json'));
  const key = createHash('sha256')
    .update(lock)
    .update(`${recipeVersion} ${process.platform} ${process.arch} ${process.versions.modules}`)
    .digest('hex')
    .slice(0, 12);
  const folder = path.join(cache, `workbench-${key}`);
  // The rename at the end of the install is atomic, so the folder is either whole or not there.
  if (existsSync(folder)) return folder;

  await ensurePrograms('compiler', 'make', 'python');
  await mkdir(cache, { recursive: true });
  await removeAbandoned();
  const building = await mkdtemp(path.join(cache, 'building-'));
  try {
    await install(building);
    await rename(building, folder).catch(async error => {
      // Another run may have finished the same install meanwhile; its result is as good.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return folder;
}

async function install(folder) {
  console.log('installing the browser workbench (once per machine, 2 to 5 minutes)');
  for (const file of ['package.json', 'package-lock.json', '.npmrc'])
    await cp(path.join(recipe, file), path.join(folder, file));
  await run('npm', ['ci', '--ignore-scripts'], { cwd: folder, capture: true });
  const vscode = path.join(folder, 'node_modules/code-server/lib/vscode');
  // Not `npm ci`: code-server's own npm-shrinkwrap.json lacks an optional entry that recent npm releases insist on.
  await run('npm', ['install', '--no-save', '--omit=dev', '--ignore-scripts'], { cwd: vscode, capture: true });

  // What code-server's postinstall.sh does, as far as it matters here.
  const link = async (target, file) => {
    await mkdir(path.dirname(path.join(vscode, file)), { recursive: true });
    await rm(path.join(vscode, file), { force: true });
    await symlink(target, path.join(vscode, file));
  };
  await link('node_modules', 'node_modules.asar');
  await link(process.platform === 'darwin' ? 'code-darwin.sh' : 'code-linux.sh', 'bin/remote-cli/code-server');
  await link(process.platform === 'darwin' ? 'browser-darwin.sh' : 'browser-linux.sh', 'bin/helpers/browser.sh');
  await link(which('rg'), 'node_modules/@vscode/ripgrep/bin/rg');

  // Only three native modules are needed: argon2 (code-server does not start without it), spdlog (logs and output
  // channels) and native-watchdog (ends an orphaned extension host). Compiled against this Node's own headers where
  // they are installed; otherwise node-gyp downloads them.
  const prefix = path.dirname(path.dirname(process.execPath));
  const env = { npm_config_build_from_source: 'true', JOBS: '2' };
  if (existsSync(path.join(prefix, 'include/node/node.h'))) env.npm_config_nodedir = prefix;
  await run('npm', ['rebuild', 'argon2'], { cwd: folder, env, capture: true });
  await run('npm', ['rebuild', '@vscode/spdlog', 'native-watchdog'], { cwd: vscode, env, capture: true });
  await run(process.execPath, [path.join(folder, 'node_modules/code-server'), '--version'], { capture: true });
}

/** An install that was cut off leaves its folder behind; none takes an hour. */
async function removeAbandoned() {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('building-')) continue;
    const folder = path.join(cache, name);
    if (Date.now() - (await stat(folder)).mtimeMs > 3_600_000) await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A running workbench with its own user data, so that runs share no state. `settings` become the user settings. Without
 * `port` it takes the preferred port if that is free, else another one. `stop({ keepLogs })` saves VS Code's logs first.
 * @returns {Promise<{ url: string, log: string, state: string, pid: number, exited: Promise<number>, stop(options?: { keepLogs?: string }): Promise<void> }>}
 */
export async function startWorkbench({ vsix, settings, port, preferredPort }) {
  const folder = await ensureWorkbench();
  const state = await mkdtemp(path.join(tmpdir(), 'attentionlens-workbench-'));
  const data = path.join(state, 'data');
  const extensions = path.join(state, 'extensions');
  await mkdir(path.join(data, 'User'), { recursive: true });
  await mkdir(extensions);
  await writeFile(path.join(data, 'User/settings.json'), JSON.stringify(settings, null, 2));
  const env = {
    ...process.env,
    XDG_CONFIG_HOME: path.join(state, 'xdg'),
    XDG_DATA_HOME: path.join(state, 'xdg'),
    EXTENSIONS_GALLERY: '{}',
  };
  const base = [path.join(folder, 'node_modules/code-server'), '--user-data-dir', data, '--extensions-dir', extensions];
  await run(process.execPath, [...base, '--install-extension', vsix], { env, capture: true });

  const chosen = port || (await freePort(preferredPort));
  const url = `http://127.0.0.1:${chosen}`;
  const child = spawn(
    process.execPath,
    [
      ...base,
      '--auth',
      'none',
      '--bind-addr',
      `127.0.0.1:${chosen}`,
      '--disable-telemetry',
      '--disable-update-check',
      '--disable-workspace-trust',
      '--disable-getting-started-override',
    ],
    { env, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', data => {
    text += data;
  });
  child.stderr.setEncoding('utf8').on('data', data => {
    text += data;
  });
  const exited = new Promise(resolve => child.on('close', code => resolve(code ?? 1)));

  const stop = async ({ keepLogs } = {}) => {
    // TERM the wrapper: it ends its children, and orphaned extension hosts end themselves within seconds.
    child.kill('SIGTERM');
    await exited;
    if (keepLogs) await cp(path.join(data, 'logs'), keepLogs, { recursive: true });
    await rm(state, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 });
  };
  const deadline = Date.now() + 60_000;
  while (!(await healthy(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new StepError(`The browser workbench did not start on ${url}:\n${text}`);
    }
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  return {
    url,
    state,
    pid: child.pid,
    exited,
    stop,
    get log() {
      return text;
    },
  };
}

async function healthy(url) {
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
}

/** The preferred port if nothing listens on it, else any other. */
function freePort(preferred = 0) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', error => (preferred ? resolve(freePort()) : reject(error)));
    server.listen(preferred, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

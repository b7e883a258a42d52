import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dist, out, root } from './paths.mjs';
import { run, StepError } from './process.mjs';

/** VS Code's name of a platform -> .NET's. */
export const runtimeOfTarget = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'alpine-x64': 'linux-musl-x64',
  'alpine-arm64': 'linux-musl-arm64',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
  'darwin-x64': 'osx-x64',
  'darwin-arm64': 'osx-arm64',
};

/** The package for every other platform: it runs on an installed .NET 10. */
export const universalTarget = 'universal';

export const hostTarget = `${existsSync('/etc/alpine-release') ? 'alpine' : process.platform}-${process.arch}`;

/**
 * Installs the npm workspaces as locked, unless node_modules already is that install. Not with `npm ci`: it refuses the
 * whole lock where a registry mirror lacks optional packages for other platforms than this. No package needs its install
 * script, and some would download from elsewhere.
 */
export async function installDependencies() {
  const lock = createHash('sha256')
    .update(await readFile(path.join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = path.join(root, 'node_modules/.attentionlens-lock');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === lock) return 'up to date';
  await run('npm', ['install', '--no-save', '--ignore-scripts'], { cwd: root, capture: true });
  await writeFile(stamp, lock);
  return 'installed';
}

/**
 * Publishes the server for one platform into `folder`, models beside it: one self-contained file, so that its user needs
 * no .NET. Where the platform's runtime pack cannot be restored, a host build falls back to one that uses the installed .NET.
 */
export async function publishServer(target, folder) {
  await rm(folder, { recursive: true, force: true });
  const note = target === universalTarget ? await publishPortable(folder) : await publishFor(target, folder);
  // A publish that was ended from outside was seen to leave nothing and exit with status 0.
  const main =
    target === universalTarget ? 'attention-lens.dll' : `attention-lens${target.startsWith('win32') ? '.exe' : ''}`;
  if (!existsSync(path.join(folder, main))) {
    throw new StepError(
      `dotnet publish for ${target} ended without leaving ${path.join(folder, main)}; run the command again.`,
    );
  }
  // The symbols of referenced projects are copied whatever the project says.
  for (const name of await readdir(folder)) {
    if (/\.(pdb|xml)$/.test(name)) await rm(path.join(folder, name));
  }
  await copyModels(path.join(folder, 'models'));
  return `${target}, ${note}, ${megabytes(await sizeOf(folder))} with models`;
}

async function publishPortable(folder) {
  const { code, output } = await publish(folder, '-p:UseAppHost=false');
  if (code !== 0) throw publishFailed(universalTarget, code, output);
  return 'uses the installed .NET';
}

async function publishFor(target, folder) {
  const runtime = runtimeOfTarget[target];
  if (!runtime) {
    throw new StepError(
      `There is no server for "${target}"; there is ${Object.keys(runtimeOfTarget).join(', ')} and ${universalTarget}.`,
    );
  }
  const { code, output } = await publish(folder, '-r', runtime, '-p:Standalone=true');
  if (code === 0) return 'self-contained';
  if (!/NU110[123]|NU1301/.test(output) || target !== hostTarget) throw publishFailed(target, code, output);
  console.warn(
    `The self-contained runtime for ${runtime} could not be restored; building on the installed .NET instead.`,
  );
  const second = await publish(folder, '-r', runtime, '-p:PublishSingleFile=true', '--no-self-contained');
  if (second.code !== 0) throw publishFailed(target, second.code, second.output);
  return 'uses the installed .NET';
}

function publish(folder, ...options) {
  const project = path.join(root, 'server/AttentionLens.Cli');
  const quiet = ['-v', 'quiet', '-nologo', '-p:CopyOutputSymbolsToPublishDirectory=false'];
  const noPages = ['-p:PublishDocumentationFile=false', '-p:PublishReferencesDocumentationFiles=false'];
  return run('dotnet', ['publish', project, '-c', 'Release', '-o', folder, ...quiet, ...noPages, ...options], {
    capture: true,
    allowFailure: true,
  });
}

function publishFailed(target, code, output) {
  process.stderr.write(output);
  return new StepError(`dotnet publish for ${target} failed with exit status ${code}.`);
}

async function sizeOf(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = entries.map(async entry =>
    entry.isFile() ? (await stat(path.join(entry.parentPath, entry.name))).size : 0,
  );
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
}

/** The embedded models, without what training leaves beside them. */
async function copyModels(folder) {
  const models = path.join(root, 'models');
  if (!existsSync(models)) return;
  await cp(models, folder, {
    recursive: true,
    filter: async source => (await stat(source)).isDirectory() || /\.(json|safetensors|txt|model|md)$/.test(source),
  });
}

/** Puts a published host server at dist/attention-lens, also while an older one is running from there. */
export async function installServer(folder) {
  await mkdir(dist, { recursive: true });
  await rm(path.join(dist, 'models'), { recursive: true, force: true });
  if (existsSync(path.join(folder, 'models')))
    await cp(path.join(folder, 'models'), path.join(dist, 'models'), { recursive: true });
  // The native library of SQLite stands beside the executable.
  const files = (await readdir(folder, { withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => entry.name);
  for (const name of files) {
    const fresh = path.join(dist, `${name}.new`);
    await cp(path.join(folder, name), fresh);
    await rename(fresh, path.join(dist, name));
  }
}

export async function bundleClient() {
  await run('npm', ['run', '--silent', 'build', '--workspace', 'client'], { cwd: root });
}

/** Packs the bundled client and a published server into one .vsix for one platform. */
export async function packageExtension(target, server, file) {
  const stage = path.join(out, 'package', target);
  await rm(stage, { recursive: true, force: true });
  await cp(path.join(root, 'client'), stage, {
    recursive: true,
    filter: source => path.basename(source) !== 'node_modules',
  });
  for (const page of [
    'README.md',
    'README.zh-CN.md',
    'CHANGELOG.md',
    'LICENSE',
    'SECURITY.md',
    'THIRD-PARTY-NOTICES',
  ]) {
    const source = path.join(root, page);
    if (existsSync(source) && !existsSync(path.join(stage, page))) await cp(source, path.join(stage, page));
  }
  await cp(server, path.join(stage, 'server'), { recursive: true });
  // A build on Windows leaves the bit out.
  const executable = path.join(stage, 'server/attention-lens');
  if (existsSync(executable)) await chmod(executable, 0o755);

  // vsce would run the client's own prepublish script in the stage, where its sources are not complete: drop all scripts.
  const manifestFile = path.join(stage, 'package.json');
  const manifest = JSON.parse(await readFile(manifestFile, 'utf8'));
  delete manifest.scripts;
  delete manifest.devDependencies;
  await writeFile(manifestFile, JSON.stringify(manifest, null, 2));

  await mkdir(path.dirname(file), { recursive: true });
  const vsce = path.join(root, 'node_modules/@vscode/vsce/vsce');
  // A package without a target is what VS Code installs where no target fits.
  const platform = target === universalTarget ? [] : ['--target', target];
  const options = ['--no-dependencies', '--no-rewrite-relative-links', ...platform, '--out', path.resolve(file)];
  await run(process.execPath, [vsce, 'package', ...options], { cwd: stage, capture: true });
  return `${target}, ${megabytes((await stat(file)).size)}`;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The whole way from sources to dist/attention-lens and dist/attention-lens.vsix, as timed steps. */
export async function build(steps) {
  await steps.step('npm packages', installDependencies);
  const server = path.join(out, 'server', hostTarget);
  await steps.step('server', async () => {
    const note = await publishServer(hostTarget, server);
    await installServer(server);
    return note;
  });
  await steps.step('client', bundleClient);
  await steps.step('package', () => packageExtension(hostTarget, server, path.join(dist, 'attention-lens.vsix')));
}

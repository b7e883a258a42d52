// Writes THIRD-PARTY-NOTICES: what the packages ship that others made, with the licence texts of the installed packages.
// `--check` says whether the file is current instead. Needs the npm packages and a restored server (npm run build).

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './lib/paths.mjs';

const file = path.join(root, 'THIRD-PARTY-NOTICES');
const packageFolder = process.env.NUGET_PACKAGES ?? path.join(homedir(), '.nuget/packages');
const rule = '='.repeat(80);

/** What esbuild puts into the extension's bundles: package folders of node_modules, with the extension's own options. */
async function bundledPackages() {
  const { build } = await import('esbuild');
  const { targets } = await import('../client/esbuild.mjs');
  const folders = new Set();
  for (const target of targets) {
    const { metafile } = await build({
      ...target,
      absWorkingDir: path.join(root, 'client'),
      metafile: true,
      write: false,
      logLevel: 'error',
    });
    for (const output of Object.values(metafile.outputs)) {
      for (const input of Object.keys(output.inputs)) {
        const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
        if (found) folders.add(path.resolve(root, 'client', found[1]));
      }
    }
  }
  return Promise.all([...folders].map(npmPackage));
}

async function npmPackage(folder) {
  const { name, version, license, author, homepage, repository } = JSON.parse(
    await readFile(path.join(folder, 'package.json'), 'utf8'),
  );
  return {
    name,
    version,
    license,
    source: homepage ?? repository?.url ?? repository,
    owner: typeof author === 'string' ? author : author?.name,
    texts: await licenceTexts(folder),
  };
}

/** Packages whose assemblies the server loads, as the restore resolved them. */
async function serverPackages() {
  const assets = path.join(root, 'server/AttentionLens.Cli/obj/project.assets.json');
  const { targets, libraries } = JSON.parse(await readFile(assets, 'utf8'));
  const [framework] = Object.keys(targets).filter(name => !name.includes('/'));
  const shipped = Object.entries(targets[framework]).filter(
    ([, { type, runtime = {} }]) => type === 'package' && Object.keys(runtime).some(name => !name.endsWith('/_._')),
  );
  return Promise.all(shipped.map(([id]) => nugetPackage(path.join(packageFolder, libraries[id].path))));
}

async function nugetPackage(folder) {
  const [spec] = (await readdir(folder)).filter(name => name.endsWith('.nuspec'));
  const text = await readFile(path.join(folder, spec), 'utf8');
  const tag = name => new RegExp(`<${name}(?:\\s[^>]*)?>([^<]+)</${name}>`).exec(text)?.[1];
  return {
    name: tag('id'),
    version: tag('version'),
    license: tag('license'),
    source: tag('projectUrl'),
    owner: tag('copyright') ?? tag('authors'),
    texts: await licenceTexts(folder),
  };
}

/** The runtime of the self-contained server: its notices are the same for all platforms, so those of the restored pack stand here. */
async function runtimePackage() {
  const packs = (await readdir(packageFolder)).filter(name => name.startsWith('microsoft.netcore.app.runtime.'));
  const folders = await Promise.all(
    packs.map(async pack =>
      (await readdir(path.join(packageFolder, pack))).map(v => path.join(packageFolder, pack, v)),
    ),
  );
  const wanted = await runtimeVersion();
  const folder = folders.flat().find(candidate => path.basename(candidate) === wanted);
  if (!folder) throw new Error(`There is no runtime pack ${wanted} in ${packageFolder}; run npm run build first.`);
  return { ...(await nugetPackage(folder)), name: '.NET runtime', source: 'https://dot.net' };
}

async function runtimeVersion() {
  const assets = path.join(root, 'server/AttentionLens.Cli/obj/project.assets.json');
  const { project } = JSON.parse(await readFile(assets, 'utf8'));
  const downloads = Object.values(project.frameworks).flatMap(({ downloadDependencies = [] }) => downloadDependencies);
  const runtime = downloads.find(({ name }) => name.startsWith('Microsoft.NETCore.App.Runtime.'));
  if (!runtime) throw new Error('The server was not restored for a platform; run npm run build first.');
  return /\[([^,\]]+)/.exec(runtime.version)[1].trim();
}

async function licenceTexts(folder) {
  const names = (await readdir(folder))
    .filter(name => /^(licen[cs]e|third-?party-?notices)([.-].*)?$/i.test(name))
    .sort();
  return Promise.all(
    names.map(async name => ({
      name,
      text: (await readFile(path.join(folder, name), 'utf8'))
        .replace(/^\uFEFF/, '')
        .replaceAll('\r\n', '\n')
        .trim(),
    })),
  );
}

/** .NET's packages carry one long text each, most of them the same: it stands once. */
function section({ name, version, license, source, owner, texts }, seen) {
  const head = [
    `${name} ${version}`,
    `Licence: ${license ?? 'see below'}`,
    owner && `By: ${owner}`,
    source && `From: ${source}`,
  ];
  const bodies = texts.map(({ name: title, text }) => {
    const earlier = seen.get(text);
    seen.set(text, earlier ?? name);
    return `\n--- ${title} ---\n\n${earlier ? `The same text as under ${earlier}.` : text}`;
  });
  return [rule, ...head.filter(Boolean), ...bodies, ''].join('\n');
}

/** Packages that state MIT without carrying its text. */
const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

/** Packages that state the Apache licence without carrying its text: TypeScript's package has it. */
const apache = async () => (await licenceTexts(path.join(root, 'node_modules/typescript')))[0].text;

async function withText(one) {
  if (one.texts.length > 0) return one;
  if (/\bMIT\b/.test(one.license ?? ''))
    return { ...one, texts: [{ name: 'MIT', text: `Copyright: ${one.owner}\n\n${mit}` }] };
  if (/\bApache-2\.0\b/.test(one.license ?? ''))
    return { ...one, texts: [{ name: 'Apache-2.0', text: await apache() }] };
  throw new Error(`${one.name} has neither a licence file nor a known licence.`);
}

/** The page in two parts: what this checkout pins, and the runtime, which is as new as the SDK that builds. */
export async function notices() {
  const byName = (a, b) => a.name.localeCompare(b.name, 'en');
  const bundled = (await bundledPackages()).sort(byName);
  const server = (await serverPackages()).sort(byName);
  const seen = new Map();
  const head = [
    'Third-party notices\n',
    'AttentionLens itself is under the licence in LICENSE. Its packages also hold what follows.\n',
    `In the extension's bundles: ${bundled.map(({ name }) => name).join(', ')}.`,
    `In the server: ${server.map(({ name }) => name).join(', ')}; in self-contained packages the .NET runtime.\n`,
  ];
  const packages = await Promise.all([...bundled, ...server].map(withText));
  const pinned = [...head, ...packages.map(one => section(one, seen))].join('\n');
  return { pinned, runtime: async () => section(await runtimePackage(), seen) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { pinned, runtime } = await notices();
  if (!process.argv.includes('--check')) await writeFile(file, `${pinned}\n${await runtime()}`);
  else if (!(await readFile(file, 'utf8').catch(() => '')).startsWith(`${pinned}\n${rule}\n.NET runtime `)) {
    console.error('THIRD-PARTY-NOTICES is not current; run: node scripts/notices.mjs');
    process.exitCode = 1;
  }
}

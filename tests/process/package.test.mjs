// What is in dist/attention-lens.vsix, and what is not.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { dist, executableName } from '../../scripts/lib/paths.mjs';

const bytes = readFileSync(path.join(dist, 'attention-lens.vsix'));

/** The central directory of a zip file: name -> size and Unix mode (APPNOTE 4.3.12). */
function entries() {
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06'));
  const count = bytes.readUInt16LE(end + 10);
  const found = new Map();
  let at = bytes.readUInt32LE(end + 16);
  for (let i = 0; i < count; i++) {
    const [name, extra, comment] = [28, 30, 32].map(offset => bytes.readUInt16LE(at + offset));
    found.set(bytes.toString('utf8', at + 46, at + 46 + name), {
      size: bytes.readUInt32LE(at + 24),
      mode: bytes.readUInt32LE(at + 38) >>> 16,
    });
    at += 46 + name + extra + comment;
  }
  return found;
}

const files = entries();

test('it holds the server, executable, and the embedded models', () => {
  const server = files.get(`extension/server/${executableName}`);
  assert(server, 'the server is missing');
  if (process.platform !== 'win32') assert.equal(server.mode & 0o111, 0o111, 'the server is not executable');
  const native = [...files.keys()].some(name => /^extension\/server\/(lib)?e_sqlite3\.(so|dylib|dll)$/.test(name));
  assert(native, 'the library of SQLite is missing');
  for (const model of ['mini-decoder', 'mini-encoder', 'mini-translator']) {
    for (const name of ['config.json', 'model.safetensors', 'tokenizer.json', 'README.md']) {
      assert(files.has(`extension/server/models/${model}/${name}`), `${name} of ${model} is missing`);
    }
  }
});

test('it holds the bundles, the texts of the manifest and the licence', () => {
  for (const name of [
    'package.json',
    'package.nls.json',
    'dist/extension.js',
    'dist/panel.js',
    'LICENSE.txt',
    'THIRD-PARTY-NOTICES',
    'media/icon.png',
  ]) {
    assert(files.has(`extension/${name}`), `${name} is missing`);
  }
});

test('it holds no sources, tests, symbols or node_modules', () => {
  const stray = [...files.keys()].filter(name =>
    /\.(ts|tsx|map|pdb|cs|mjs)$|node_modules|\/src\/|\/webview\//.test(name),
  );
  assert.deepEqual(stray, []);
});

test('it is smaller than 60 MB', () => assert(bytes.length < 60e6, `${bytes.length} bytes`));

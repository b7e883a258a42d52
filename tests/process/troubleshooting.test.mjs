// docs/troubleshooting.md explains sentences that the program says, in its words.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';

async function sources(folder, ending) {
  const names = await readdir(path.join(root, folder), { recursive: true });
  const files = names.filter(name => name.endsWith(ending) && !/(^|[\\/])(obj|bin|node_modules)[\\/]/.test(name));
  return Promise.all(files.map(name => readFile(path.join(root, folder, name), 'utf8')));
}

test('each message of the page is said somewhere', async () => {
  const page = await readFile(path.join(root, 'docs/troubleshooting.md'), 'utf8');
  const messages = [...page.matchAll(/^\| ([^|]+) \| [^|]+ \|$/gm)]
    .map(([, message]) => message)
    .filter(message => message !== 'what you read' && !message.startsWith('---'));
  assert(messages.length > 20, `${messages.length} messages were found`);
  const code = [...(await sources('server', '.cs')), ...(await sources('client/src', '.ts'))].join('\n');
  // An ellipsis stands for a value; numbers are constants in the code.
  const missing = messages.filter(message =>
    message
      .split(/…|\d+/)
      .map(part => part.replaceAll(/^[\s'.,]+|[\s'.,]+$/g, ''))
      .some(part => !code.includes(part)),
  );
  assert.deepEqual(missing, []);
});

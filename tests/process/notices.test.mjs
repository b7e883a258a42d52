// THIRD-PARTY-NOTICES names what the packages ship, with their licences.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { notices } from '../../scripts/notices.mjs';

test('the notices are those of the packages that are bundled and referenced now', async () => {
  const page = await readFile(path.join(root, 'THIRD-PARTY-NOTICES'), 'utf8');
  const { pinned } = await notices();
  assert(pinned.includes('preact') && pinned.includes('System.CommandLine'), 'the lists of packages are empty');
  assert(page.startsWith(pinned), 'THIRD-PARTY-NOTICES is not current; run: node scripts/notices.mjs');
  assert.match(page.slice(pinned.length), /\n\.NET runtime 10\./);
});

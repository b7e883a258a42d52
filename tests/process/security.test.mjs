// SECURITY.md says for how many inputs each parser is fuzzed; the tests that it names do as many.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';

const page = await readFile(path.join(root, 'SECURITY.md'), 'utf8');
const [, section] = page.split('## Bounds of the parsers, and what is fuzzed');
const rows = [...section.matchAll(/^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$/gm)]
  .map(([, parser, inputs]) => ({ parser, inputs }))
  .filter(({ parser }) => parser !== 'Parser' && !parser.startsWith('---'));

const files = (await readdir(path.join(root, 'tests'), { recursive: true })).filter(
  name => name.endsWith('.cs') && !/[\\/](bin|obj)[\\/]/.test(name),
);

test('the page has a row for each parser', () => assert(rows.length > 15, `${rows.length} rows`));

for (const { parser, inputs } of rows) {
  test(`${parser}: ${inputs}`, async () => {
    const named = [...inputs.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    assert(named.length > 0, 'a test is named');
    for (const name of named) {
      const file = name.includes('/') ? name : files.find(file => path.basename(file) === `${name}.cs`);
      assert(file, `${name} is not there`);
      const text = await readFile(path.join(root, name.includes('/') ? '' : 'tests', file), 'utf8');
      const literals = new Set([...text.matchAll(/\b\d[\d_]*\b/g)].map(([literal]) => literal.replaceAll('_', '')));
      for (const [number] of inputs.matchAll(/\b\d[\d,]*\b/g)) {
        assert(literals.has(number.replaceAll(',', '')), `${number} is not in ${file}`);
      }
    }
  });
}

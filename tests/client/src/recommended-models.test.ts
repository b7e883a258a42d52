import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { recommendedModels } from '../../../client/src/recommended-models.js';

it('recommends what docs/models.md recommends', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/models.md', import.meta.url)), 'utf8');
  const rows = [...page.matchAll(/^\|[^|]*\| `([\w.-]+\/[\w.-]+)` \| (\d+) \| ([^|]+) \|$/gm)];
  expect(rows.map(([, name, megabytes, licence]) => [name, Number(megabytes), licence])).toEqual(
    recommendedModels.map(({ name, megabytes, licence }) => [name, megabytes, licence]),
  );
});

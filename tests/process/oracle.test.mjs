// The published program (trimmed, compiled ahead of time) against the oracle: what its compilation could break that the
// tests of the single projects cannot see.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { attentionLens, fixture } from './lib/command-line.mjs';
import { readFloats } from './lib/safetensors.mjs';

// float32 noise measured against float64 is 2.3e-6 (tests/fixtures/oracle/README.md).
const tolerance = 5e-6;
let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-oracle-'));
});
after(() => rm(folder, { recursive: true }));

const models = readdirSync(fixture('oracle')).filter(name =>
  existsSync(path.join(fixture('oracle'), name, 'config.json')),
);

for (const model of models) {
  test(`attend reproduces ${model}`, async () => {
    const source = path.join(fixture('oracle'), model);
    const output = path.join(folder, `${model}.safetensors`);
    // biome-ignore format: one command line
    const { status, stdout, stderr } = await attentionLens(['attend', '--model', source, '--input', path.join(source, 'expected.safetensors'),
      '--layer', 'all', '--head', 'all', '--format', 'safetensors', '-o', output]);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, '', 'nothing but the result goes to stdout, and that went to the file');
    const expected = await readFloats(path.join(source, 'expected.safetensors'));
    const actual = await readFloats(output);
    const names = [...expected.keys()].filter(name => name.includes('attentions.'));
    assert(names.length > 0);
    for (const name of names) {
      assert(actual.has(name), `${name} is missing`);
      assert.deepEqual(actual.get(name).shape, expected.get(name).shape, name);
      const [a, e] = [actual.get(name).data, expected.get(name).data];
      let worst = 0;
      for (let i = 0; i < e.length; i++) worst = Math.max(worst, Number.isNaN(a[i]) ? Infinity : Math.abs(a[i] - e[i]));
      assert(worst <= tolerance, `${name}: off by ${worst}`);
    }
  });
}

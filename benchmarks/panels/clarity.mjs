// node benchmarks/panels/clarity.mjs [MODEL]...: how much a first sight of a text shows, for means, methods and single heads.
// Needs dist/attention-lens (npm run build). The numbers are those of ClearestHead.cs, computed here a second time from the
// weights that the command line writes.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { dist, executableName, root } from '../../scripts/lib/paths.mjs';

const samples = ['coreference.txt', 'lighthouse.txt', 'agreement.txt'];
const texts = samples.map(name =>
  readFileSync(path.join(root, 'samples', name), 'utf8')
    .split(/\n\s*\n/)
    .find(paragraph => paragraph.length > 60),
);
const views = [
  ['mean of all layers and heads', ['--layer', 'mean', '--head', 'mean']],
  ['strongest head, mean of layers', ['--method', 'max', '--layer', 'mean', '--head', 'mean']],
  ['rollout, last layer', ['--method', 'rollout', '--layer', 'last', '--head', 'mean']],
  ['value-norm, mean', ['--method', 'value-norm', '--layer', 'mean', '--head', 'mean']],
  ['', ['--layer', 'all', '--head', 'all']],
];

function attend(model, text, options) {
  const output = execFileSync(
    path.join(dist, executableName),
    ['attend', text, ...(model ? ['--model', model] : []), ...options, '--format', 'json'],
    { encoding: 'utf8', maxBuffer: 1 << 29 },
  );
  return JSON.parse(output).stacks[0];
}

/** Share that is shown and looks further than a neighbour; mutual information over its largest value; their product. */
function clarity({ queries, keys = queries, kind, causal }, rows) {
  const hidden = keys.map((key, index) => key.special || (causal && index === 0));
  const visible = hidden.filter(is => !is).length;
  const received = new Array(keys.length).fill(0);
  let [told, entropy, count] = [0, 0, 0];
  for (const [query, row] of rows.entries()) {
    if (queries[query].special) continue;
    const all = row.reduce((sum, weight) => sum + weight, 0);
    const shown = row.map((weight, key) => (hidden[key] ? 0 : weight / all));
    const sum = shown.reduce((a, b) => a + b, 0);
    const near = shown.reduce((a, b, key) => a + (kind !== 'cross' && Math.abs(key - query) <= 1 ? b : 0), 0);
    told += sum - near;
    count++;
    if (sum <= 0) continue;
    for (const [key, weight] of shown.entries()) {
      const share = weight / sum;
      received[key] += share;
      if (share > 0) entropy -= share * Math.log(share);
    }
  }
  const spread = received.reduce((sum, r) => (r > 0 ? sum - (r / count) * Math.log(r / count) : sum), 0);
  const [told1, information] = [told / count, (spread - entropy / count) / Math.log(visible)];
  return { told: told1, information, clarity: told1 * information };
}

const models = process.argv.slice(2);
for (const model of models.length > 0 ? models : ['']) {
  console.log(`\n${model ? path.basename(model) : 'the embedded model'}, mean of ${texts.length} texts`);
  console.log(`${'view'.padEnd(34)} told  information  clarity`);
  const line = (name, list) => {
    const mean = key => list.reduce((sum, one) => sum + one[key], 0) / list.length;
    console.log(
      `${name.padEnd(34)} ${mean('told').toFixed(2)}  ${mean('information').toFixed(2)}         ${mean('clarity').toFixed(3)}`,
    );
  };
  for (const [name, options] of views) {
    const stacks = texts.map(text => attend(model, text, options));
    const heads = stacks.map(stack =>
      stack.layers.flatMap(({ layer, heads }) =>
        heads.map(({ head, rows }) => ({ head: `layer ${layer} · head ${head}`, ...clarity(stack, rows) })),
      ),
    );
    if (name) line(name, heads.map(([only]) => only));
    else {
      const best = heads.map(list => list.reduce((a, b) => (b.clarity > a.clarity ? b : a)));
      line(`clearest head`, best);
      console.log(`  chosen: ${best.map(({ head }) => head).join('; ')}`);
      const byHead = heads[0].map((_, index) => heads.map(list => list[index]));
      line('median head', byHead.sort((a, b) => a[0].clarity - b[0].clarity)[byHead.length >> 1]);
    }
  }
}

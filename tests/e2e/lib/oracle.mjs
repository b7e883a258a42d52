// What the command line says about a text: the editor has to show the same.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { dist, executableName } from '../../../scripts/lib/paths.mjs';

/**
 * What the embedded model attends to in a text, for one layer and head (or "mean").
 * @returns {{ tokens: { text: string, start: number, end: number, special: boolean }[], rows: number[][], received: number[] }}
 */
export function attend(text, { layer, head } = { layer: 'mean', head: 'mean' }) {
  const stack = run(text, layer, head);
  return answer(stack.queries, stack.layers[0].heads[0].rows);
}

/** The head whose received attention differs most between the tokens of a text: the easiest to see. */
export function mostTellingHead(text) {
  const stack = run(text, 'all', 'all');
  const heads = stack.layers.flatMap(({ layer, heads }) =>
    heads.map(({ head, rows }) => {
      const { received } = answer(stack.queries, rows);
      const weights = received.filter((_, i) => !stack.queries[i].special);
      return {
        layer,
        head,
        spread: new Set(weights.map(w => Math.round(11 * Math.sqrt(w / Math.max(...weights))))).size,
      };
    }),
  );
  const [{ layer, head }] = heads.sort((a, b) => b.spread - a.spread);
  return { layer, head };
}

function run(text, layer, head) {
  const output = execFileSync(
    path.join(dist, executableName),
    ['attend', text, '--layer', String(layer), '--head', String(head), '--format', 'json'],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  return JSON.parse(output).stacks[0];
}

function answer(tokens, rows) {
  const received = tokens.map((_, key) => rows.reduce((sum, row) => sum + row[key], 0) / rows.length);
  return { tokens, rows, received };
}

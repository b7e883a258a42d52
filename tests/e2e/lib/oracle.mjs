// What the command line says about a text: the editor has to show the same.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { dist, executableName } from '../../../scripts/lib/paths.mjs';

/**
 * Tokens and mean attention over all layers and heads of a text by the embedded model.
 * @returns {{ tokens: { text: string, start: number, end: number, special: boolean }[], rows: number[][], received: number[] }}
 */
export function attend(text, { layer = 'mean', head = 'mean' } = {}) {
  const output = execFileSync(
    path.join(dist, executableName),
    ['attend', text, '--layer', String(layer), '--head', String(head), '--format', 'json'],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const [stack] = JSON.parse(output).stacks;
  const [{ rows }] = stack.layers[0].heads;
  const received = stack.queries.map((_, key) => rows.reduce((sum, row) => sum + row[key], 0) / rows.length);
  return { tokens: stack.queries, rows, received };
}

// The pictures of docs/methods.md, made by the tool itself from the embedded model:
//   node scripts/method-pictures.mjs [NAME ...]     (after npm run build)

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { root } from './lib/paths.mjs';

const sentence = 'The keys to the cabinet [MASK] on the table.';
const matrices = ['raw', 'max', 'rollout', 'flow', 'value-norm', 'block-norm', 'effective', 'value-zeroing', 'alti'];
const outputs = ['relevancy', 'saliency', 'input-x-gradient', 'integrated-gradients', 'leave-one-out'];
const explained = ['--output-token', 'are', '--contrast', 'is'];
/** Pictures that are of something else than a method's standard view. */
const others = { heads: ['--heads', '1.*,3.0-1'] };

const folder = path.join(root, 'docs/images/methods');
mkdirSync(folder, { recursive: true });
const wanted = process.argv.slice(2);
for (const name of [...matrices, ...outputs, ...Object.keys(others)]) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const options = others[name] ?? ['--method', name, ...(outputs.includes(name) ? explained : [])];
  execFileSync(
    path.join(root, 'dist/attention-lens'),
    ['attend', sentence, ...options, '--format', 'svg', '-o', path.join(folder, `${name}.svg`)],
    { stdio: 'inherit' },
  );
}

// The pictures of docs/methods.md, made by the tool itself from the embedded model:
//   node scripts/method-pictures.mjs [NAME ...]     (after npm run build)

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { root } from './lib/paths.mjs';

const sentence = 'The keys to the cabinet [MASK] on the table.';
const matrices = ['max', 'rollout', 'flow', 'value-norm', 'block-norm', 'effective', 'value-zeroing', 'alti'];
const outputs = ['relevancy', 'saliency', 'input-x-gradient', 'integrated-gradients', 'leave-one-out'];
const explained = ['--output-token', 'are', '--contrast', 'is'];

const folder = path.join(root, 'docs/images/methods');
mkdirSync(folder, { recursive: true });
const wanted = process.argv.slice(2);
const names = [...matrices, ...outputs].filter(name => wanted.length === 0 || wanted.includes(name));

// The SVG carries the labels that the PNG format leaves out; a browser turns it into pixels.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const page = await browser.newPage({ deviceScaleFactor: 2 });
for (const name of names) {
  const options = outputs.includes(name) ? explained : [];
  const svg = execFileSync(
    path.join(root, 'dist/attention-lens'),
    ['attend', sentence, '--method', name, '--format', 'svg', ...options],
    { encoding: 'utf8' },
  );
  await page.setContent(`<body style="margin: 0">${svg}</body>`);
  await page.locator('svg').screenshot({ path: path.join(folder, `${name}.png`) });
}
await browser.close();

// Bundles the extension host (CommonJS for node) and the panels (one IIFE and one stylesheet each) into dist/.
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const watch = process.argv.includes('--watch');
const common = { bundle: true, sourcemap: watch, minify: !watch, logLevel: 'warning', legalComments: 'linked' };

export const targets = [
  {
    ...common,
    entryPoints: { extension: 'src/extension.ts' },
    outdir: 'dist',
    platform: 'node',
    // The extension host of the oldest supported VS Code runs node 20.
    target: 'node20',
    format: 'cjs',
    external: ['vscode'],
  },
  {
    ...common,
    entryPoints: { panel: 'webview/main.tsx', adjudication: 'webview/adjudication.tsx' },
    outdir: 'dist',
    platform: 'browser',
    target: 'chrome122',
    format: 'iife',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.ttf': 'file' },
    assetNames: '[name]',
  },
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (watch) for (const target of targets) await (await context(target)).watch();
  else await Promise.all(targets.map(target => build(target)));
}

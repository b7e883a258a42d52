import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The component tests look at the bundle that is packaged, so it has to be of today. */
export function setup(): void {
  execFileSync(process.execPath, ['esbuild.mjs'], {
    cwd: fileURLToPath(new URL('../../../client', import.meta.url)),
    stdio: 'inherit',
  });
}

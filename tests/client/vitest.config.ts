import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: { vscode: fileURLToPath(new URL('./src/vscode-stub.ts', import.meta.url)) } },
  test: {
    include: ['src/**/*.test.ts'],
    globalSetup: ['src/build-panel.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['hidden-attention-source', 'module', 'node', 'development|production'] } },
  resolve: { conditions: ['hidden-attention-source', 'module', 'node', 'development|production'] },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'native/test/**/*.test.ts', 'test/**/*.test.ts'],
    setupFiles: [fileURLToPath(new URL('test/seed.ts', import.meta.url))],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    server: { deps: { inline: [/@hidden-attention\//, /^hidden-attention$/] } },
  },
});

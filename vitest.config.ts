import { defineConfig } from 'vitest/config'

const shared = { environment: 'node' as const }

/**
 * Three kinds of test, told apart by suffix: pure (`x.test.ts`), with real servers (`x.wire.test.ts`, started by
 * `npm test`), and the whole system (`dev/e2e/x.e2e.test.ts`).
 */
export default defineConfig({
  test: {
    reporters: ['default', './dev/counting-reporter.ts'],
    projects: [
      {
        // Pure tests share no globals, so isolation would only cost start-up time (measured: eight times slower).
        test: {
          ...shared,
          name: 'pure',
          include: ['**/*.test.ts'],
          exclude: ['**/*.wire.test.ts', '**/*.e2e.test.ts', 'node_modules/**', 'dist/**', '.stack/**'],
          isolate: false,
        },
      },
      {
        test: {
          ...shared,
          name: 'wire',
          include: ['**/*.wire.test.ts'],
          exclude: ['node_modules/**', 'dist/**', '.stack/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'e2e',
          include: ['dev/e2e/**/*.e2e.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})

import { defineConfig } from 'vitest/config'

const shared = { environment: 'node' as const }

/**
 * Three kinds of test, told apart by suffix: pure (`x.test.ts`), with real servers
 * (`x.wire.test.ts`, started by `npm test`), and the whole system (`dev/proofs/e2e/x.e2e.test.ts`).
 */
export default defineConfig({
  test: {
    reporters: ['default', './dev/counting-reporter.ts'],
    projects: [
      {
        // Pure tests share no globals, so isolation would only cost start-up time (measured: eight
        // times slower).
        test: {
          ...shared,
          name: 'pure',
          // A property runs long on a machine that others use too (fault C8).
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
          include: ['**/*.test.ts'],
          exclude: ['**/*.wire.test.ts', '**/*.e2e.test.ts', 'node_modules/**', 'dist/**', '.stack/**'],
          isolate: false,
        },
      },
      {
        test: {
          ...shared,
          name: 'wire',
          sequence: { groupOrder: 1 },
          include: ['**/*.wire.test.ts'],
          exclude: ['node_modules/**', 'dist/**', '.stack/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...shared,
          // After the others: it starts the whole platform and wants the machine for itself.
          name: 'e2e',
          sequence: { groupOrder: 2 },
          include: ['dev/proofs/e2e/**/*.e2e.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})

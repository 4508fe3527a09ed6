import type { Reporter, TestModule } from 'vitest/node'

/** Ends the run with the plain line that continuous integration reads: `N passed, N failed`. */
export class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0
    let failed = errors.length
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        else if (state !== 'skipped') failed += 1
      }
      if (module.state() === 'failed' && module.errors().length > 0) failed += 1
    }
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
  }
}

// oxlint-disable-next-line import/no-default-export -- Vitest loads a reporter by its default export.
export default CountingReporter

import { afterAll, afterEach, beforeAll, describe } from 'vitest'
import { groupCases } from './groups.suite.ts'
import { recordCases } from './records.suite.ts'
import { Scene } from './scene.suite.ts'
import type { LogFixture } from './scene.suite.ts'
import { transactionCases } from './transactions.suite.ts'

const CASE_TIMEOUT_MS = 60_000

/**
 * What every implementation of the port must do. `makeLog` is called once; every case makes its own
 * topics, groups and ids through the fixture's `unique`, so runs may share one broker.
 */
export function logSuite(name: string, makeLog: () => Promise<LogFixture>): void {
  describe(`${name} as a log`, { timeout: CASE_TIMEOUT_MS }, () => {
    let made: Scene | undefined
    const scene = (): Scene => {
      if (made === undefined) throw new Error('there is no log under test')
      return made
    }

    beforeAll(async () => {
      const fixture = await makeLog()
      made = new Scene(fixture, await fixture.connect())
    }, CASE_TIMEOUT_MS)

    afterEach(() => made?.close())

    afterAll(async () => {
      await made?.client.close()
      await made?.fixture.close()
    }, CASE_TIMEOUT_MS)

    transactionCases(scene)
    recordCases(scene)
    groupCases(scene)
  })
}

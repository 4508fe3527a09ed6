import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { nextTurn } from '../../platform/slices.ts'
import { Breath } from '../task/breath.ts'
import { memoryStores } from './memory.ts'
import { RowBudget } from './recent-rows.ts'
import type { Store } from './store.ts'
import { Table } from './table.ts'
import { methodsOf } from '../testing/standby.suite.ts'

const breath = new Breath({ now: () => 0 })
const KEYS = ['a', 'b', 'c', 'd'] as const
const row = (state: number) => ({ state, timers: {}, replayed: false })

/** A store whose answers to many keys are given when they are let go. */
async function slowStore() {
  const store = await memoryStores().open('rows.0', () => {})
  let letGo: (() => void) | undefined
  const fetched: string[][] = []
  const slow: Store = {
    ...methodsOf(store),
    getMany: async (name, keys) => {
      fetched.push([...keys])
      const rows = await store.getMany(name, keys)
      await new Promise<void>((resolve) => (letGo = resolve))
      return rows
    },
  }
  return { store, slow, fetched, letGo: () => letGo?.() }
}

const tableOver = (store: Store, limits: { recentRowsMax: number; rowsFetchedMin: number }): Table =>
  new Table(store, new Map([['rows', z.number()]]), { ...limits, budget: new RowBudget(1_000) })

const Step = fc.record({
  key: fc.constantFrom(...KEYS),
  write: fc.option(fc.nat(), { nil: undefined }),
})
const Rounds = fc.array(
  fc.record({ steps: fc.array(Step, { maxLength: 6 }), commits: fc.boolean(), isLate: fc.boolean() }),
  { maxLength: 12 },
)

describe('the rows of a task', () => {
  it('are what was written last, whatever was fetched ahead while a commit was under way', async () => {
    await fc.assert(
      fc.asyncProperty(Rounds, fc.integer({ min: 0, max: 6 }), async (rounds, recentRowsMax) => {
        const { store, slow, letGo } = await slowStore()
        const table = tableOver(slow, { recentRowsMax, rowsFetchedMin: 1 })
        let committed = new Map<string, number>()
        let handled = new Map<string, number>()
        let commit: (() => Promise<void>) | undefined
        for (const { steps, commits, isLate } of rounds) {
          for (const { key } of steps) table.wants('rows', key)
          const fetching = table.fetch()
          if (isLate) await nextTurn()
          await commit?.()
          await nextTurn()
          letGo()
          await fetching
          for (const { key, write } of steps) {
            expect(table.read('rows', key)?.state).toBe(handled.get(key))
            if (write === undefined) continue
            table.write('rows', key, row(write))
            handled.set(key, write)
          }
          const changes = await table.freeze(breath)
          const after = new Map(handled)
          commit = async () => {
            if (!commits) return
            await store.commit(changes, { changelogs: {}, atMs: 0 })
            table.applied()
            committed = after
          }
          if (commits) continue
          table.dropped()
          handled = new Map(committed)
        }
      }),
    )
  })

  it('are fetched together when many are missing, and one by one when few are', async () => {
    const { store, slow, fetched, letGo } = await slowStore()
    const changes = KEYS.map((key, at) => ({
      store: 'rows',
      key,
      encoded: JSON.stringify({ state: at }),
      armed: [],
      disarmed: [],
    }))
    await store.commit(changes, { changelogs: {}, atMs: 0 })
    const table = tableOver(slow, { recentRowsMax: 100, rowsFetchedMin: 3 })
    for (const key of ['a', 'b', 'a', 'c']) table.wants('rows', key)
    const fetching = table.fetch()
    await nextTurn()
    letGo()
    await fetching
    expect(fetched).toEqual([['a', 'b', 'c']])
    expect(KEYS.map((key) => table.read('rows', key)?.state)).toEqual([0, 1, 2, 3])
    for (const key of KEYS) table.wants('rows', key)
    await table.fetch()
    expect(fetched).toHaveLength(1)
  })
})

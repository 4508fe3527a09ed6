import { afterEach } from 'vitest'
import { memoryLog, type MemoryLog } from '../../log/memory.ts'
import { isReplayed } from '../../log/port.ts'
import { sleep } from '../../platform/backoff.ts'
import { systemClock, type Clock } from '../clock.ts'
import { memoryStores } from '../store/memory.ts'
import type { Worker } from '../worker.ts'
import {
  counting,
  provisionCounting,
  readAll,
  startWorker,
  talliesOf,
  until,
  wordRecord,
  type Counting,
  type StartOptions,
} from './counting.suite.ts'

let names = 0
export const workers: Worker[] = []

/** To be called once in a file of tests. */
export const closeWorkers = (): void =>
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close()))
  })

/** Waits are short: what is waited for happens at once here. */
const hasty: Clock = { ...systemClock, sleep: (ms, signal) => sleep(Math.min(ms, 20), signal) }

export interface World {
  readonly log: MemoryLog
  readonly given: Counting
  readonly events: string[]
  readonly start: (extra?: Partial<StartOptions>) => Promise<Worker>
  readonly write: (...words: readonly string[]) => Promise<void>
  /** Each tally as `word count`, with `again` when it is marked as replayed. */
  readonly told: () => Promise<readonly string[]>
}

export async function world(partitions = 1): Promise<World> {
  const log = memoryLog()
  const given = counting(`recovery-${(names += 1)}`)
  const events: string[] = []
  await provisionCounting(log, given, partitions)
  const start = async (extra: Partial<StartOptions> = {}): Promise<Worker> => {
    const hooks = {
      failed: () => events.push('failed'),
      recovering: () => events.push('recovering'),
      running: () => events.push('running'),
      outdated: () => events.push('outdated'),
      wiped: () => events.push('wiped'),
      inputLost: (_: unknown, topic: string, fate: string) => events.push(`${fate} ${topic}`),
    }
    const worker = await startWorker({
      log,
      stores: memoryStores(),
      counting: given,
      hooks,
      clock: hasty,
      ...extra,
    })
    workers.push(worker)
    return worker
  }
  const write = async (...words: readonly string[]): Promise<void> => {
    await log.writer().write(words.map((word, n) => wordRecord(given, word, n, partitions)))
  }
  const told = async (): Promise<readonly string[]> => {
    const records = await readAll(log, given.tallies, partitions)
    const counts = talliesOf(records)
    return records.map(({ headers }, n) => {
      const { word, count } = counts[n] ?? { word: '', count: 0 }
      return `${word} ${count}${isReplayed(headers) ? ' again' : ''}`
    })
  }
  return { log, given, events, start, write, told }
}

export const toldOf = async ({ told }: World, count: number): Promise<void> =>
  until(async () => (await told()).length >= count, `${count} tallies`)

export const countOf = (events: readonly string[], event: string): number =>
  events.filter((one) => one === event).length

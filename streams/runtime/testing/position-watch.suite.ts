import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { partitionKey, type LogClient } from '../../log/port.ts'
import { sleep } from '../../platform/backoff.ts'
import { silentLogger } from '../../platform/logger.ts'
import { Metrics } from '../../platform/metrics.ts'
import { serveOperations, type OperationsServer } from '../../platform/operations-server.ts'
import { consume, type Batch, type Consumption } from '../consume.ts'
import {
  counting,
  provisionCounting,
  startWorker,
  until,
  wordRecord,
  type Counting,
} from './counting.suite.ts'
import { gaugeLag, livenessOf, observePositions } from '../watch/observe-positions.ts'
import { PositionWatch, type Reader } from '../watch/position-watch.ts'
import { memoryStores } from '../store/memory.ts'
import type { StoreFactory } from '../store/store.ts'
import type { Worker } from '../worker.ts'
import { methodsOf } from './standby.suite.ts'

const STUCK_AFTER_MS = 60_000
const EVERY_MS = 5_000
/** Looks that it takes from the last movement until something is stuck. */
const LOOKS = STUCK_AFTER_MS / EVERY_MS + 1

export interface WatchSuiteOptions {
  readonly connect: () => Promise<LogClient>
  readonly unique: (name: string) => string
}

/**
 * What the watch notices and what it does not, on whichever log. Its time is virtual: it passes
 * with `looks`.
 */
export function positionWatchSuite(name: string, options: WatchSuiteOptions): void {
  describe(`the position watch on ${name}`, () => {
    let log: LogClient
    let given: Counting
    let metrics: Metrics
    let nowMs: number
    const open: { close(): Promise<unknown> }[] = []

    beforeEach(async () => {
      log = await options.connect()
      given = counting(options.unique('watched'))
      metrics = new Metrics()
      nowMs = 0
      await provisionCounting(log, given, 1)
    })

    afterEach(async () => {
      await Promise.all(open.splice(0).map((one) => one.close()))
      await log.close()
    })

    const write = async (...words: readonly string[]): Promise<void> => {
      const writer = log.writer()
      await writer.write(words.map((word, n) => wordRecord(given, word, n, 1)))
      await writer.close()
    }

    const watched = (reader: Reader): PositionWatch => {
      const hooks = observePositions(silentLogger, metrics, gaugeLag(metrics))
      const times = { now: () => nowMs, sleep }
      return new PositionWatch({
        ...times,
        hooks,
        readers: [reader],
        admin: log.admin,
        stuckAfterMs: STUCK_AFTER_MS,
        everyMs: EVERY_MS,
      })
    }

    const looks = async (watch: PositionWatch, count = LOOKS): Promise<void> => {
      for (let look = 0; look < count; look += 1) {
        nowMs += EVERY_MS
        await watch.look()
      }
    }

    const consuming = async (
      handle: (batch: Batch) => Promise<void>,
      excuse?: () => string,
    ): Promise<Consumption> => {
      const consumption = await consume({
        log,
        group: given.topology.name,
        topics: [given.words],
        handle,
        recordsMax: 2,
        sleep: (_, signal) => sleep(1, signal),
        random: () => 0.5,
        onFailed: () => {},
        ...(excuse !== undefined && { excuse }),
      })
      open.push(consumption)
      await until(() => consumption.standings().some(({ next }) => next !== undefined), 'an open reader')
      return consumption
    }

    const working = async (stores: StoreFactory): Promise<Worker> => {
      const worker = await startWorker({ log, stores, counting: given })
      open.push(worker)
      await until(() => worker.status().length === 1 && worker.ready, 'a running task')
      return worker
    }

    const lag = async (): Promise<number | undefined> => {
      const series = (await metrics.registry.getSingleMetric('stream_lag')?.get())?.values ?? []
      return series.find(({ labels }) => labels['topic'] === given.words)?.value
    }

    const stuckCount = async (): Promise<number> =>
      (await metrics.registry.getSingleMetric('stream_stuck_total')?.get())?.values[0]?.value ?? 0

    const health = async (watch: PositionWatch): Promise<{ status: number; body: string }> => {
      const server: OperationsServer = await serveOperations({
        host: '127.0.0.1',
        port: 0,
        metrics,
        ready: () => livenessOf(watch),
        live: () => livenessOf(watch),
      })
      const reply = await get(server.port, '/health')
      await server.close()
      return reply
    }

    it('fails the health of a sink whose handler never returns, names it, counts it once, and recovers', async () => {
      const held = gate()
      const consumption = await consuming(() => held.opened)
      const watch = watched(consumption)
      await write('a', 'b', 'c')
      await until(() => [...consumption.buffered().values()].some((count) => count > 0), 'records in hand')
      await looks(watch, 2)
      expect(livenessOf(watch)).toEqual({ ready: true, details: {} })
      await looks(watch, LOOKS + 3)
      const reply = await health(watch)
      expect(reply.status).toBe(503)
      expect(reply.body).toContain(`"${given.topology.name}.0":"stuck at ${given.words} 0 offset 0`)
      expect(await stuckCount()).toBe(1)
      expect(await lag()).toBeGreaterThanOrEqual(3)
      held.open()
      await until(() => [...consumption.buffered().values()].every((count) => count === 0), 'all done')
      await looks(watch, 1)
      expect(await health(watch)).toEqual({ status: 200, body: '{"status":"ok"}' })
      expect(await lag()).toBe(0)
    })

    it('fails the health of a task whose store never takes its round, though no further record waits', async () => {
      const held = gate()
      const worker = await working(heldStores(held.opened))
      const watch = watched(worker)
      await write('a')
      await until(() => worker.standings().some(({ isBusy, next }) => isBusy || next === 0), 'a standing')
      await looks(watch, LOOKS + 2)
      const { ready, details } = livenessOf(watch)
      expect(ready).toBe(false)
      expect(details[`${given.topology.name}.0`]).toContain(`stuck at ${given.words} 0 offset 0`)
      held.open()
      await until(() => worker.standings().every(({ next = 0 }) => next > 0), 'the round is done')
      await looks(watch, 1)
      expect(livenessOf(watch).ready).toBe(true)
    })

    it('leaves an idle partition in peace, also one that ends with control records only', async () => {
      const worker = await working(memoryStores())
      const consumption = await consuming(() => Promise.resolve())
      const watch = watched({ standings: () => [...worker.standings(), ...consumption.standings()] })
      await write('a', 'b')
      await commitEmptyTail(log, given)
      const at = { topic: given.words, partition: 0 }
      // Asked each time: a broker writes the marker of a transaction after it has answered.
      const areAtEnd = async (): Promise<boolean> => {
        const end = (await log.admin.bounds([at])).get(partitionKey(at))?.end
        return [...worker.standings(), ...consumption.standings()].every(({ next }) => next === end)
      }
      await until(areAtEnd, 'both at the end')
      await looks(watch, 3 * LOOKS)
      expect(livenessOf(watch)).toEqual({ ready: true, details: {} })
      expect(await lag()).toBe(0)
    })

    it('leaves a sink in peace that is refused and tries again, and says that it recovers', async () => {
      const consumption = await consuming(() => Promise.reject(new Error('the database is away')))
      const watch = watched(consumption)
      await write('a')
      await until(() => consumption.standings().some(({ doing }) => doing === 'recovering'), 'a refusal')
      for (let look = 0; look < 2 * LOOKS; look += 1) {
        const before = consumption.standings()[0]?.signs ?? 0
        await until(() => (consumption.standings()[0]?.signs ?? 0) > before, 'one more attempt')
        await looks(watch, 1)
      }
      expect(livenessOf(watch).ready).toBe(true)
    })

    it('leaves a partition in peace that is held back on purpose', async () => {
      const consumption = await consuming(
        () => new Promise(() => {}),
        () => 'its receiver is away',
      )
      // It never ends, so it is not waited for.
      open.pop()
      const watch = watched(consumption)
      await write('a')
      await until(() => [...consumption.buffered().values()].some((count) => count > 0), 'a record in hand')
      await looks(watch, 2 * LOOKS)
      expect(livenessOf(watch).ready).toBe(true)
    })
  })
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  const opening = new AbortController()
  const opened = new Promise<void>((resolve) => {
    opening.signal.addEventListener('abort', () => resolve())
  })
  return { opened, open: () => opening.abort() }
}

/** Stores whose writes wait for `held`. */
function heldStores(held: Promise<void>): StoreFactory {
  const stores = memoryStores()
  return {
    peek: (name) => stores.peek(name),
    destroy: (name) => stores.destroy(name),
    open: async (name, onWiped) => {
      const store = await stores.open(name, onWiped)
      const commit: typeof store.commit = async (changes, checkpoint) => {
        if (changes.length > 0) await held
        await store.commit(changes, checkpoint)
      }
      return { ...methodsOf(store), commit }
    },
  }
}

/** The marker of a transaction is the last thing in the partition. */
async function commitEmptyTail(log: LogClient, given: Counting): Promise<void> {
  const transactions = log.transactions({ transactionalId: `${given.words}-tail`, timeoutMs: 10_000 })
  await transactions.fence()
  await transactions.commit({ records: [wordRecord(given, 'z', 9, 1)], moves: [] })
  await transactions.close()
}

const get = (port: number, path: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => (body += text))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    call.on('error', reject)
    call.end()
  })

import { describe, expect, it } from 'vitest'
import { memoryLog } from '../../log/memory.ts'
import type { Logger, LogFields } from '../../platform/logger.ts'
import { Metrics } from '../../platform/metrics.ts'
import { systemClock } from '../clock.ts'
import { counting, provisionCounting, startWorker, until, wordRecord } from '../testing/counting.suite.ts'
import { gaugeTasks, observe } from './observe.ts'
import { observeRestores, RESTORE_LINE_EVERY_MS } from './observe-restores.ts'
import { memoryStores } from '../store/memory.ts'
import type { LogRecord } from '../../log/port.ts'

const TASK = { topology: 'words', partition: 2 }

function listening(): { readonly logger: Logger; readonly lines: (readonly [string, LogFields])[] } {
  const lines: (readonly [string, LogFields])[] = []
  const say = (event: string, fields: LogFields = {}): void => {
    lines.push([event, fields])
  }
  return { logger: { debug: say, info: say, warn: say, error: say }, lines }
}

const isRow = ({ key }: LogRecord): boolean => String(key).startsWith('wait')

describe('a restore', () => {
  it('says at the start, at intervals and at the end how far it is and how fast', async () => {
    const { logger, lines } = listening()
    const metrics = new Metrics()
    const hooks = observeRestores(logger, metrics)
    const step = (records: number, left: number, elapsedMs: number) =>
      hooks.restoring(TASK, { records, left: new Map([['words-counts-changelog', left]]), elapsedMs })
    step(0, 1000, 0)
    step(100, 900, RESTORE_LINE_EVERY_MS / 2)
    step(300, 700, RESTORE_LINE_EVERY_MS)
    expect(await metrics.registry.metrics()).toContain(
      'stream_restore_remaining{topology="words",topic="words-counts-changelog"} 700\n',
    )
    step(400, 600, RESTORE_LINE_EVERY_MS + 1)
    step(1000, 0, 2 * RESTORE_LINE_EVERY_MS)
    hooks.restored(TASK, 1000, 2 * RESTORE_LINE_EVERY_MS)
    const task = 'words.2'
    const durationMs = RESTORE_LINE_EVERY_MS
    expect(lines).toEqual([
      ['stream.restore_started', { task, remaining: 1000 }],
      ['stream.restore_goes_on', { task, records: 300, remaining: 700, durationMs, perSecond: 30 }],
      [
        'stream.restore_goes_on',
        { task, records: 1000, remaining: 0, durationMs: 2 * durationMs, perSecond: 50 },
      ],
      ['stream.restored', { task, records: 1000, durationMs: 2 * durationMs, perSecond: 50 }],
    ])
    const text = await metrics.registry.metrics()
    expect(text).toContain('stream_restored_records_total{topology="words"} 1000\n')
    expect(text).toContain('stream_restore_remaining{topology="words",topic="words-counts-changelog"} 0\n')
  })

  it('of a task shows in its metrics, beside the timers that it brought back', async () => {
    const broker = memoryLog()
    const given = counting('restored', 3_600_000)
    await provisionCounting(broker, given, 1)
    const first = await startWorker({ log: broker, stores: memoryStores(), counting: given })
    const writer = broker.writer()
    await writer.write(['wait-1', 'wait-2', 'wait-3'].map((word, n) => wordRecord(given, word, n, 1)))
    const rows = () => broker.dump(`${given.topology.name}-counts-changelog`).filter(isRow)
    await until(() => rows().length === 3, 'three rows')
    await first.close()
    const { logger, lines } = listening()
    const metrics = new Metrics()
    const hooks = observe({ logger, metrics, now: systemClock.now, notes: {} })
    const second = await startWorker({ log: broker, stores: memoryStores(), counting: given, hooks })
    gaugeTasks(metrics, [second])
    await until(() => second.status().some(({ pendingTimers }) => pendingTimers !== undefined), 'a count')
    const pending = `stream_timers_pending{topology="restored",topic="restored-counts-changelog"}`
    expect(await metrics.registry.metrics()).toContain(`${pending} 3\n`)
    expect(await metrics.registry.metrics()).toMatch(
      /stream_restored_records_total{topology="restored"} [4-9]/,
    )
    expect(lines.map(([event]) => event)).toEqual(
      expect.arrayContaining(['stream.restore_started', 'stream.restored']),
    )
    await writer.write([wordRecord(given, 'wait-4', 4, 1)])
    await until(async () => (await metrics.registry.metrics()).includes(`${pending} 4\n`), 'four timers')
    await second.close()
  })
})

import { describe, expect, it } from 'vitest'
import { operatorProfile } from '../../../streams/contracts/operator-profile.ts'
import type { LogFields, Logger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { gatewayMetrics } from '../../metrics.ts'
import type { SharedState } from '../../redis.ts'
import { commandTo } from '../../testing/invented.suite.ts'
import { createRecentSubmits } from '../../receipts/recent-submits.ts'
import { createJournal, type Journal } from '../journal/journal.ts'
import type { Assignment } from '../submission.ts'
import { GuardedSubmit } from './faults.ts'
import { RetryTurns } from './turns.ts'

const OPERATOR = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const awayRedis: SharedState = { attempt: () => Promise.resolve(undefined), isUp: false, close: () => {} }
const never = new AbortController().signal

interface Told {
  readonly lines: { event: string; fields: LogFields | undefined }[]
  readonly results: Record<string, unknown>[]
}

/** A command of two segments whose handling throws wherever `journal` does. */
function faulty(journal: Journal, told: Told): Assignment {
  const note = (event: string, fields?: LogFields): void => void told.lines.push({ event, fields })
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  const publish = (_topic: unknown, event: object): Promise<boolean> => {
    told.results.push({ ...event })
    return Promise.resolve(true)
  }
  return {
    operatorId: OPERATOR,
    settings: operatorProfile(),
    journal,
    published: { of: () => Promise.resolve(new Map()) },
    references: {
      next: () => {
        throw new TypeError('the text of the client')
      },
    },
    turns: new RetryTurns(() => 0, 1),
    publisher: { publish, publishUntilHeld: publish },
    recent: createRecentSubmits(),
    metrics: gatewayMetrics(new Metrics()).of(OPERATOR),
    logger,
    now: () => Date.now(),
    elapsed: () => 0,
    inDoubtMs: 1_000,
    unknownRetriesMs: [5_000, 30_000, 120_000],
    onMissingId: () => {},
    command: commandTo(OPERATOR, { body: 'a'.repeat(200), segmentCount: 2 }),
    delivery: { isFirst: true, storedAt: 0 },
    trace: {},
    giveBack: never,
    giveUp: never,
    carrier: () => undefined,
  }
}

const broken = (): never => {
  throw new RangeError('broken')
}

const inMemory = (): Journal => createJournal(awayRedis, () => {})

describe('a command whose handling throws', () => {
  it('comes again three times, then each segment is REJECTED, and the log quotes nothing', async () => {
    const told: Told = { lines: [], results: [] }
    const guarded = new GuardedSubmit()
    const job = faulty(inMemory(), told)
    const delays: unknown[] = []
    for (let tries = 0; tries < 3; tries += 1) delays.push(await guarded.submit(job))
    expect(delays).toEqual([5_000, 30_000, 120_000].map((delayMs) => ({ kind: 'redeliver', delayMs })))
    expect(told.results).toEqual([])
    expect(await guarded.submit(job)).toEqual({ kind: 'done' })
    expect(told.results).toMatchObject([
      { segmentIndex: 1, totalSegments: 2, outcome: 'REJECTED' },
      { segmentIndex: 2, totalSegments: 2, outcome: 'REJECTED' },
    ])
    expect(told.lines.map(({ fields }) => [fields?.attempt, fields?.code])).toEqual(
      [1, 2, 3, 4].map((attempt) => [attempt, 'TypeError']),
    )
    expect(JSON.stringify(told.lines)).not.toContain('the text of the client')
  })

  it('is uncertain where a PDU may have arrived, and told once more where a result is known', async () => {
    const told: Told = { lines: [], results: [] }
    const journal = inMemory()
    const job = { ...faulty(journal, told), unknownRetriesMs: [] }
    const record = await journal.open(job.command.messageId)
    await record.write(1, { state: 'submitting', resubmits: 0, operatorId: OPERATOR })
    expect(await new GuardedSubmit().submit(job)).toEqual({ kind: 'done' })
    expect(told.results).toMatchObject([
      { segmentIndex: 1, outcome: 'ACCEPTED', uncertain: true },
      { segmentIndex: 2, outcome: 'REJECTED' },
    ])
  })

  it('is given up when not even its refusal can be told', async () => {
    const told: Told = { lines: [], results: [] }
    const journal = { ...inMemory(), open: broken, openNew: broken }
    const job = { ...faulty(journal, told), unknownRetriesMs: [] }
    expect(await new GuardedSubmit().submit(job)).toEqual({ kind: 'unreadable' })
    expect(told.lines.at(-1)).toMatchObject({ event: 'smpp.command.given_up' })
  })
})

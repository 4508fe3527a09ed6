import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encode } from '../streams/contracts/decode.ts'
import { statusExample, submitResultExample } from '../streams/contracts/examples.ts'
import { statusEvents, submitResults } from '../streams/contracts/outbound.ts'
import { dlrRecords } from '../streams/contracts/receipts.ts'
import type { Topic } from '../streams/contracts/topic.ts'
import { memoryLog, type MemoryLog } from '../streams/log/memory.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { groupLag } from '../streams/log/group-positions.ts'
import { observe } from './observe.ts'
import { openPool } from './postgres/pool.ts'
import { dlrSink, orchSink, SMPP_SINK_GROUP, smppSink } from './postgres/sinks.ts'
import { submitFrontier } from './postgres/submit-frontier.ts'
import { readiness } from './readiness.ts'
import { run, watchLag } from './run.ts'
import type { Sink } from './sink.ts'
import {
  EXAMPLE_IDS,
  EXAMPLE_TIME,
  insertMessage,
  openScene,
  receiptExample,
  type Scene,
} from './testing/scene.suite.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene('run')
})
afterAll(() => scene.close())

const TOPICS = [statusEvents.name, submitResults.name, dlrRecords.name, 'sms.outbound.deadletter']
const waitUntil = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await holds())) await sleep(10)
}

/** A log of one partition a topic, the sinks on it, and all that they have reported. */
async function sinksOn(log: MemoryLog) {
  await log.admin.ensureTopics(
    TOPICS.map((name) => ({ name, partitions: 1, replicas: 1, config: { 'cleanup.policy': 'delete' } })),
  )
  const metrics = new Metrics()
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const observation = observe(
    metrics,
    createLogger({ service: 'sinks', level: 'debug', destination }),
    Date.now,
  )
  const options = {
    log,
    observation,
    recordsMax: 3,
    sleep: () => sleep(5),
    random: () => 0.5,
    onFailed: () => {},
  }
  const start = (sink: Sink) => run(sink, options)
  const orch = () => orchSink(scene.as('orch_sink'), observation.hooks('orch'))
  const dlr = (pool = scene.as('dlr_svc')) => dlrSink(pool, observation.hooks('dlr'))
  const smpp = () =>
    smppSink(
      scene.as('smpp_svc'),
      observation.hooks('smpp'),
      submitFrontier(log, SMPP_SINK_GROUP, submitResults.name),
    )
  const taken = async (sink: Sink, topic: string) =>
    (await groupLag(log.admin, sink.group, [topic])).get(topic) === 0
  return { metrics, lines, observation, start, orch, dlr, smpp, taken }
}

async function write<V>(log: MemoryLog, topic: Topic<V>, ...values: readonly (V | string)[]): Promise<void> {
  const writer = log.writer()
  await writer.write(
    values.map((value) => ({
      topic: topic.name,
      partition: 0,
      key: null,
      value: typeof value === 'string' ? value : encode(value),
      timestamp: EXAMPLE_TIME,
    })),
  )
  await writer.close()
}

const statusesOf = (messageId: string, ...seqs: readonly number[]) =>
  seqs.map((seq) => ({ ...statusExample, messageId, seq, eventId: randomUUID() }))

const seqOf = async (messageId: string) =>
  (await scene.rows('SELECT status_seq FROM orch.sms_messages WHERE message_id = $1', [messageId]))[0]?.[
    'status_seq'
  ]

describe('a running sink', () => {
  it('takes what is on the log, counts it, and says loudly what it cannot read', async () => {
    const log = memoryLog()
    const { metrics, lines, start, orch, taken } = await sinksOn(log)
    const messageId = randomUUID()
    await insertMessage(scene, { ...EXAMPLE_IDS, messageId })
    await write(
      log,
      statusEvents,
      ...statusesOf(messageId, 2, 3),
      '{"to":"+447700900123"',
      ...statusesOf(messageId, 4),
    )
    const running = await start(orch())
    await waitUntil(() => taken(orch(), statusEvents.name))
    await running.close()
    expect(await seqOf(messageId)).toBe(4)
    const text = await metrics.registry.metrics()
    expect(text).toContain('sink_rows_total{sink="orch",topic="sms.events.status"} 3')
    expect(text).toContain('orch_pipeline_stage_total{stage="persist",result="ok"} 3')
    expect(text).toContain('orch_pipeline_stage_duration_seconds_count{stage="persist"}')
    expect(text).toContain('sink_refused_total{sink="orch",topic="sms.events.status"} 1')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      {
        event: 'sink.unreadable',
        level: 'error',
        topic: statusEvents.name,
        partition: 0,
        offset: 2,
        reason: 'not_json',
      },
    ])
    expect(lines.join('')).not.toContain('447700900123')
  })

  it('[P6] leaves the tables as they are when its group is reset to the beginning', async () => {
    const log = memoryLog()
    const { start, orch, dlr, taken } = await sinksOn(log)
    const messageId = randomUUID()
    await insertMessage(scene, { ...EXAMPLE_IDS, messageId })
    await write(log, statusEvents, ...statusesOf(messageId, 2, 3, 4))
    await write(log, dlrRecords, { ...receiptExample, messageId })
    const pass = async () => {
      const running = await Promise.all([start(orch()), start(dlr())])
      await waitUntil(async () => (await taken(orch(), statusEvents.name)) && taken(dlr(), dlrRecords.name))
      await Promise.all(running.map((one) => one.close()))
      const tables = ['orch.sms_messages', 'dlr.delivery_receipts', 'dlr.segment_dlrs']
      return Promise.all(
        tables.map((table) => scene.rows(`SELECT xmin, * FROM ${table} ORDER BY message_id`)),
      )
    }
    const first = await pass()
    for (const [group, topic] of [
      [orch().group, statusEvents.name],
      [dlr().group, dlrRecords.name],
    ] as const) {
      await log.admin.moveCursors(group, [{ topic, partition: 0, next: 0, metadata: '' }])
    }
    expect(await pass()).toEqual(first)
    expect(first[0]).toContainEqual(expect.objectContaining({ message_id: messageId, status: 'DELIVERED' }))
  })

  it('[F2] [F18] waits with its partition while Postgres refuses, says so, and catches up afterwards', async () => {
    const log = memoryLog()
    const { metrics, lines, start, dlr, taken } = await sinksOn(log)
    const late = { ...receiptExample, messageId: randomUUID(), enqueuedAt: '2027-01-15T00:00:00.000Z' }
    await write(log, dlrRecords, late)
    const running = await start(dlr())
    await waitUntil(() => lines.length > 1)
    expect(await taken(dlr(), dlrRecords.name)).toBe(false)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      event: 'dlr.db_error',
      level: 'error',
      operation: 'insert dlr.delivery_receipts',
      error: { type: 'StatementFailed', code: '23514' },
    })
    expect(await metrics.registry.metrics()).toMatch(
      /dlr_db_errors_total\{operation="insert dlr.delivery_receipts"\} [1-9]/,
    )
    for (const table of ['dlr.delivery_receipts', 'dlr.segment_dlrs', 'orch.sms_messages']) {
      await scene.admin.query(
        `CREATE TABLE ${table}_202701 PARTITION OF ${table} FOR VALUES FROM ('2027-01-01Z') TO ('2027-02-01Z')`,
      )
    }
    await waitUntil(() => taken(dlr(), dlrRecords.name))
    await running.close()
    expect(await scene.rows('SELECT message_id FROM dlr.delivery_receipts_202701')).toEqual([
      { message_id: late.messageId },
    ])
  })

  it('marks a receipt that overtakes its submit result, and does not count the wait as a fault', async () => {
    const log = memoryLog()
    const { metrics, lines, start, smpp, taken } = await sinksOn(log)
    await write(log, submitResults, submitResultExample)
    await write(log, dlrRecords, receiptExample)
    // Only the receipts at first: the group is one, but this member reads one of its topics.
    const receiptsOnly = await start({ ...smpp(), topics: [dlrRecords.name] })
    await waitUntil(() => lines.length > 0)
    await receiptsOnly.close()
    expect(await taken(smpp(), dlrRecords.name)).toBe(false)
    const running = await start(smpp())
    await waitUntil(() => taken(smpp(), dlrRecords.name))
    await running.close()
    expect(await scene.rows('SELECT status FROM smpp.message_correlations')).toEqual([
      { status: 'DLR_RECEIVED' },
    ])
    expect(lines.every((line) => line.includes('sink.waiting'))).toBe(true)
    expect(await metrics.registry.metrics()).not.toContain('dlr_db_errors_total{')
  })

  it('shows how many records it has not stored', async () => {
    const log = memoryLog()
    const { metrics, observation, orch } = await sinksOn(log)
    await write(log, statusEvents, ...statusesOf(randomUUID(), 2, 3, 4))
    const watching = watchLag([orch()], { log, observation, sleep, everyMs: 10, onFault: () => {} })
    const shown = 'sink_lag{sink="orch",topic="sms.events.status"} 3'
    await waitUntil(async () => (await metrics.registry.metrics()).includes(shown))
    await watching.close()
    expect(await metrics.registry.metrics()).toContain(shown)
  })
})

describe('readiness', () => {
  it('holds while Postgres and the log answer, and names who does not', async () => {
    const log = memoryLog()
    const dead = openPool({
      url: 'postgres://dlr_svc@127.0.0.1:1/none',
      applicationName: 'dead',
      connectionsMax: 5,
      onIdleError: () => {},
    })
    const well = readiness(log, dlrRecords.name, { orch: scene.as('orch_sink') })
    expect(await well()).toEqual({ ready: true, details: { log: 'ok', orch: 'ok' } })
    const ill = await readiness(log, dlrRecords.name, { dlr: dead })()
    expect([ill.ready, ill.details['log'], ill.details['dlr']]).toEqual([false, 'ok', 'Error'])
    await dead.end()
    const stopped = [{ failed: () => [{ topic: dlrRecords.name, partition: 3 }] }]
    expect(await readiness(log, dlrRecords.name, { orch: scene.as('orch_sink') }, stopped)()).toEqual({
      ready: false,
      details: { log: 'ok', orch: 'ok', 'dlr.records:3': 'stopped' },
    })
  })
})

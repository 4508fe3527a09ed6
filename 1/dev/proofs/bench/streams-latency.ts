import { partitionKey, type OutRecord, type TopicPartition } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { inputRecord, type Place } from './streams-fill.ts'

const TICK_MS = 5

/** Input at a given rate, the parts of a key one after the other. */
export async function feed(place: Place, records: number, perSecond: number): Promise<void> {
  const { segments } = place.job
  const writer = place.log.writer()
  const startedMs = performance.now()
  for (let sent = 0; sent < records; ) {
    const due = Math.min(records, Math.floor(((performance.now() - startedMs) / 1000) * perSecond))
    const batch: OutRecord[] = []
    for (; sent < due; sent += 1) {
      batch.push(inputRecord(place, `e2e-${Math.floor(sent / segments)}`, sent % segments))
    }
    // Not awaited: a producer does not wait for the last answer before it sends the next record.
    if (batch.length > 0) void writer.write(batch)
    await sleep(TICK_MS)
  }
  await writer.close()
}

export interface Reading {
  /** Of the outputs in the order of their arrival, ms; resolves when there are enough. */
  readonly ages: Promise<readonly number[]>
}

/**
 * Reads committed outputs from where they end now. One reader for all partitions, as a process
 * would have it: one for each would keep the broker busier than the job does.
 */
export async function readAges({ log, job }: Place, count: number): Promise<Reading> {
  const ages: number[] = []
  const { promise: ready, ...reader } = settleable()
  const { promise: enough, ...outputs } = settleable()
  const consumer = log.consumer({
    group: `${job.topology.name}-ages`,
    topics: [job.output.name],
    onAssigned: (held) => void fromEnd(held).then(reader.resolve, reader.reject),
    onRecords: (_, records) => {
      const nowMs = Date.now()
      for (const record of records) ages.push(nowMs - record.timestamp)
      if (ages.length >= count) outputs.resolve()
    },
    onFailed: outputs.reject,
  })
  async function fromEnd(held: readonly TopicPartition[]): Promise<void> {
    const bounds = await log.admin.bounds(held)
    for (const at of held) consumer.seek(at, bounds.get(partitionKey(at))?.end ?? 0)
    consumer.resume(held)
  }
  await consumer.start()
  await ready
  const stopped = async (): Promise<readonly number[]> => {
    await enough
    await consumer.stop()
    return ages
  }
  return { ages: stopped() }
}

interface Settleable {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

function settleable(): Settleable {
  let [resolve, reject]: [() => void, (error: unknown) => void] = [() => {}, () => {}]
  const promise = new Promise<void>((fulfil, fail) => {
    resolve = fulfil
    reject = fail
  })
  return { promise, resolve: () => resolve(), reject: (error) => reject(error) }
}

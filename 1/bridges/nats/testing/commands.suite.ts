import { decode, encode } from '../../../streams/contracts/decode.ts'
import { commandExample } from '../../../streams/contracts/examples.ts'
import { dispatchRefusals, type DispatchRefused } from '../../../streams/contracts/outbound.ts'
import { OUTBOUND_MIRRORS } from '../../../streams/contracts/subjects.ts'
import { commandEventId, eventIdOf } from '../../../streams/domain/event-id.ts'
import { memoryLog, type MemoryLog } from '../../../streams/log/memory.ts'
import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import {
  partitionKey,
  type LogClient,
  type LogRecord,
  type TopicPartition,
} from '../../../streams/log/port.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import type { Batch } from '../../../streams/runtime/consume.ts'
import { bridgeInstruments } from '../../instruments.ts'
import { CommandPartition } from '../outbound/command-partition.ts'
import { deadLetters } from '../outbound/dead-letters.ts'
import { OutboundBridge } from '../outbound/outbound.ts'
import { PublishedMarks } from '../outbound/published-marks.ts'
import { CommandStream } from './command-stream.suite.ts'
import { ensureTopics, OPERATOR, recordsOf } from './scene.suite.ts'

export const COMMANDS = 'smpp.operator'
export const AT: TopicPartition = { topic: COMMANDS, partition: 0 }
export const GROUP = 'bridge-out'
export const DAY_MS = 86_400_000

/** As a broker with topic ids: a topic made again has another one. */
function withTopicIds(log: LogClient, madeAgain: () => number): LogClient {
  const bounds: LogClient['admin']['bounds'] = async (at) => {
    const found = await log.admin.bounds(at)
    return new Map(
      at.flatMap((one) => {
        const between = found.get(partitionKey(one))
        const topicId = `${one.topic}-${one.topic === COMMANDS ? madeAgain() : 0}`
        return between === undefined ? [] : [[partitionKey(one), { ...between, topicId }] as const]
      }),
    )
  }
  return { ...log, admin: { ...log.admin, bounds } }
}

/** One partition of commands, owned by one bridge after the other, with a clock of its own. */
export class Commands {
  nowMs = Date.parse('2026-04-18T10:23:40.000Z')
  madeAgain = 0
  readonly log: MemoryLog
  readonly stream: CommandStream
  readonly #written: LogRecord[] = []

  private constructor(log: MemoryLog) {
    this.log = log
    this.stream = new CommandStream(() => this.nowMs)
  }

  static async begin(faults: MemoryFaults = {}): Promise<Commands> {
    const log = memoryLog({ faults })
    await ensureTopics(log)
    return new Commands(log)
  }

  unopened(): Owner {
    return new Owner(this, {})
  }

  /** A bridge that has just been given the partition. */
  async owner(extra: { readonly isUnmarkedAllowed?: boolean } = {}): Promise<Owner> {
    const owner = new Owner(this, extra)
    await owner.partition.open()
    return owner
  }

  clientOf(log: LogClient): LogClient {
    return withTopicIds(log, () => this.madeAgain)
  }

  /** Of one operator or several in turn, all of which this partition serves. */
  async write(count: number, operators = 1): Promise<void> {
    const writer = this.log.writer()
    for (let n = 0; n < count; n += 1) {
      const messageId = eventIdOf(`message ${this.#written.length}`)
      const turn = this.#written.length % operators
      const operatorId = turn === 0 ? OPERATOR : eventIdOf(`operator ${turn}`)
      const value = { ...commandExample, messageId, operatorId, eventId: commandEventId(messageId, 4) }
      const record = { ...AT, key: operatorId, value: encode(value) }
      await writer.write([{ ...record, timestamp: this.nowMs }])
      this.#written.push(...(await this.records()).slice(-1))
    }
    await writer.close()
  }

  async records(): Promise<readonly LogRecord[]> {
    return (await recordsOf(this.log, COMMANDS)).filter(({ partition }) => partition === AT.partition)
  }

  /** The records from an offset, in one batch. */
  async batch(from: number, below = Number.POSITIVE_INFINITY): Promise<Batch> {
    const records = (await this.records()).filter(({ offset }) => offset >= from && offset < below)
    return { ...AT, records, next: (records.at(-1)?.offset ?? from - 1) + 1 }
  }

  async cursor(): Promise<number> {
    return (await this.log.admin.committed(GROUP, [AT])).get(partitionKey(AT))?.next ?? 0
  }

  async refusals(): Promise<readonly DispatchRefused[]> {
    const records = await recordsOf(this.log, dispatchRefusals.name)
    return records.flatMap(({ value }) => {
      const read = decode(dispatchRefusals, value)
      return read.ok ? [read.value] : []
    })
  }
}

export class Owner {
  readonly partition: CommandPartition
  readonly metrics = new Metrics()
  readonly #commands: Commands

  constructor(commands: Commands, { isUnmarkedAllowed = false }: { readonly isUnmarkedAllowed?: boolean }) {
    this.#commands = commands
    const client = commands.clientOf(commands.log.connect())
    const now = () => commands.nowMs
    const mirror = OUTBOUND_MIRRORS.find(({ topic }) => topic === COMMANDS)
    if (mirror === undefined) throw new Error('commands are not mirrored')
    const bridge = new OutboundBridge({
      mirrors: [{ mirror, publisher: commands.stream }],
      deadLetters: deadLetters(client, client.writer(), now),
      instruments: bridgeInstruments(this.metrics, () => true),
      logger: silentLogger,
      now,
    })
    this.partition = new CommandPartition({
      at: AT,
      group: GROUP,
      log: client,
      marks: new PublishedMarks(client),
      published: commands.stream,
      publish: (batch, gate) => bridge.handle(batch, gate),
      isUnmarkedAllowed,
      streamAgeMsMax: DAY_MS,
      now,
    })
  }

  /** Publishes a batch and moves mark and cursor, as `consume` does. */
  async take(batch: Batch): Promise<void> {
    await this.partition.handle(batch)
    await this.commit(batch)
  }

  commit(batch: Batch): Promise<void> {
    this.partition.done(batch)
    return this.move(batch.next)
  }

  move(next: number): Promise<void> {
    return this.partition.commit({ ...AT, next, metadata: '' })
  }

  /** From the cursor to the end. */
  async takeAll(): Promise<void> {
    await this.take(await this.#commands.batch(await this.#commands.cursor()))
  }
}

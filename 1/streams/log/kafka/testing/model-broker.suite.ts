import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { decodeRecords } from '../codecs/record-batch-decoder.ts'
import { CODE, ModelCoordinator } from './model-coordinator.suite.ts'
import type { Participant } from './model-coordinator.suite.ts'
import { ModelCursor, ModelPartition } from './model-partition.suite.ts'
import type { ModelBatch } from './model-partition.suite.ts'

export const API = {
  produce: 0,
  apiVersions: 18,
  initProducerId: 22,
  addPartitions: 24,
  addOffsets: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
} as const

export interface Request {
  readonly apiKey: number
  readonly apiVersion: number
  readonly body: Buffer
}

/** Numbers of partitions of the one topic. */
const PARTITIONS = [0, 1]

/** Where a batch says who wrote it (message format v2). */
const ATTRIBUTES_AT = 21
const PRODUCER_AT = 43
const TRANSACTIONAL = 0x10

/** One broker with one topic, one group and one transactional id, which speaks in bytes. */
export class ModelBroker {
  readonly coordinator = new ModelCoordinator()
  readonly cursor = new ModelCursor()
  readonly partitions: readonly ModelPartition[]
  readonly #protocol: 1 | 2
  #idempotent = 100n

  constructor(protocol: 1 | 2) {
    this.#protocol = protocol
    this.partitions = PARTITIONS.map(() => new ModelPartition(this.coordinator.producerId))
  }

  /** Takes one request and answers it. */
  take({ apiKey, apiVersion, body }: Request): Buffer {
    const reader = new ByteReader(body)
    if (apiKey === API.produce) return this.#produce(reader, apiVersion)
    if (apiKey === API.apiVersions) return this.#features()
    if (apiKey === API.initProducerId) return this.#init(reader)
    if (apiKey === API.addPartitions) return this.#addPartitions(reader)
    if (apiKey === API.addOffsets) return this.#addOffsets(reader)
    if (apiKey === API.endTxn) return apiVersion >= 5 ? this.#endAndRaise(reader) : this.#end(reader)
    return this.#move(reader, apiVersion >= 5)
  }

  #features(): Buffer {
    const features = new ByteWriter()
    features.uvarint(2).compactString('transaction.version').int16(this.#protocol).int16(0).noTags()
    const tag = features.buffer
    const out = new ByteWriter().int16(0).uvarint(1).int32(0).uvarint(1).uvarint(2).uvarint(tag.length)
    return Buffer.concat([out.buffer, tag])
  }

  #init(reader: ByteReader): Buffer {
    reader.skipTags()
    const transactionalId = reader.compactString()
    reader.int32()
    const current = { producerId: reader.bigint64(), epoch: reader.int16() }
    if (transactionalId === '') return initAnswer(CODE.fine, (this.#idempotent += 1n), 0)
    const code = this.coordinator.init(current.epoch < 0 ? null : current)
    return initAnswer(code, this.coordinator.producerId, this.coordinator.epoch)
  }

  #addPartitions(reader: ByteReader): Buffer {
    reader.string()
    const by = spokesman(reader)
    const numbers = reader.array(() => {
      reader.string()
      return reader.array(() => reader.int32())
    })
    const code = this.coordinator.add(by.producerId, by.epoch, numbers.flat().map(this.#partition))
    return new ByteWriter().int32(0).int32(1).string('topic').int32(1).int32(0).int16(code).buffer
  }

  #addOffsets(reader: ByteReader): Buffer {
    reader.string()
    const by = spokesman(reader)
    return new ByteWriter().int32(0).int16(this.coordinator.add(by.producerId, by.epoch, [this.cursor]))
      .buffer
  }

  /** From v5 on it adds the group to the transaction by itself. */
  #move(reader: ByteReader, isAdding: boolean): Buffer {
    reader.skipTags()
    reader.compactString()
    reader.compactString()
    const by = spokesman(reader)
    const code = isAdding
      ? this.coordinator.add(by.producerId, by.epoch, [this.cursor])
      : this.#verify(by, this.cursor)
    reader.int32()
    reader.compactString()
    reader.compactString()
    reader.compactArray(() => {
      reader.compactString()
      reader.compactArray(() => {
        reader.int32()
        if (code === CODE.fine) this.cursor.move(reader.int64())
        else reader.skip(8)
        reader.int32()
        reader.compactString()
        reader.skipTags()
      })
      reader.skipTags()
    })
    const out = new ByteWriter().noTags().int32(0).uvarint(2).compactString('topic').uvarint(2)
    return out.int32(0).int16(code).noTags().noTags().noTags().buffer
  }

  #end(reader: ByteReader): Buffer {
    reader.string()
    const { producerId, epoch } = spokesman(reader)
    return new ByteWriter().int32(0).int16(this.coordinator.end(producerId, epoch, decision(reader))).buffer
  }

  #endAndRaise(reader: ByteReader): Buffer {
    reader.skipTags()
    reader.compactString()
    const { producerId, epoch } = spokesman(reader)
    const code = this.coordinator.endAndRaise(producerId, epoch, decision(reader))
    const out = new ByteWriter().noTags().int32(0).int16(code)
    return out.int64(this.coordinator.producerId).int16(this.coordinator.epoch).noTags().buffer
  }

  #produce(reader: ByteReader, apiVersion: number): Buffer {
    return apiVersion >= 9 ? this.#produce12(reader) : this.#produce7(reader)
  }

  #produce7(reader: ByteReader): Buffer {
    reader.string()
    reader.skip(6)
    const out = new ByteWriter().int32(0)
    const answers = reader.array(() => {
      reader.string()
      return reader.array(() => this.#append(reader, reader.int32(), reader.int32(), false))
    })
    out.advance(out.end - 4)
    out.int32(answers.length)
    for (const { partition, code, offset } of answers.flat())
      out.string('topic').int32(1).int32(partition).int16(code).int64(offset).int64(-1).int64(-1)
    return out.int32(0).buffer
  }

  #produce12(reader: ByteReader): Buffer {
    reader.skipTags()
    reader.compactString()
    reader.skip(6)
    const answers = reader.compactArray(() => {
      reader.compactString()
      const parts = reader.compactArray(() => {
        const part = this.#append(reader, reader.int32(), reader.uvarint() - 1, true)
        reader.skipTags()
        return part
      })
      reader.skipTags()
      return parts
    })
    const out = new ByteWriter().noTags().uvarint(answers.flat().length + 1)
    for (const { partition, code, offset } of answers.flat()) {
      out.compactString('topic').uvarint(2).int32(partition).int16(code).int64(offset).int64(-1).int64(-1)
      out.uvarint(1).compactString(null).noTags().noTags()
    }
    return out.int32(0).noTags().buffer
  }

  #append(reader: ByteReader, number: number, bytes: number, adds: boolean) {
    const batch = readBatch(reader.bytes.subarray(reader.at, reader.at + bytes))
    reader.skip(bytes)
    const partition = this.#partition(number)
    const refused = batch.isTransactional ? this.#mayWrite(batch, partition, adds) : CODE.fine
    if (refused !== CODE.fine) return { partition: number, code: refused, offset: -1 }
    return { partition: number, ...partition.append(batch) }
  }

  /** Only the first batch of a transaction is verified; later ones go by what the leader knows. */
  #mayWrite(batch: ModelBatch, partition: ModelPartition, adds: boolean): number {
    if (adds) return this.coordinator.add(batch.producerId, batch.epoch, [partition])
    return partition.isOpen ? CODE.fine : this.#verify(batch, partition)
  }

  #verify(by: { readonly producerId: bigint; readonly epoch: number }, participant: Participant): number {
    if (by.producerId !== this.coordinator.producerId) return CODE.otherProducer
    if (by.epoch !== this.coordinator.epoch) return CODE.oldEpoch
    return this.coordinator.takes(participant) ? CODE.fine : CODE.invalidState
  }

  readonly #partition = (number: number): ModelPartition => {
    const found = this.partitions[number]
    if (found === undefined) throw new Error(`the model has no partition ${number}`)
    return found
  }
}

const spokesman = (reader: ByteReader) => ({ producerId: reader.bigint64(), epoch: reader.int16() })

function decision(reader: ByteReader): 'committed' | 'aborted' {
  const isCommit = reader.bytes.readInt8(reader.at) === 1
  return isCommit ? 'committed' : 'aborted'
}

function initAnswer(code: number, producerId: bigint, epoch: number): Buffer {
  return new ByteWriter().noTags().int32(0).int16(code).int64(producerId).int16(epoch).noTags().buffer
}

function readBatch(bytes: Buffer): ModelBatch {
  const header = new ByteReader(bytes, PRODUCER_AT)
  const origin = { producerId: header.bigint64(), epoch: header.int16(), firstSequence: header.int32() }
  const { records } = decodeRecords({ topic: 'topic', partition: 0 }, bytes, 0, [])
  const isTransactional = (bytes.readInt16BE(ATTRIBUTES_AT) & TRANSACTIONAL) !== 0
  return { ...origin, isTransactional, values: records.map(({ value }) => String(value)) }
}

import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { CallFor } from '../wire/call.ts'
import { speaks } from '../wire/call.ts'
import { ownCall } from '../wire/own-call.ts'
import type { OwnRequest } from '../wire/own-call.ts'

export interface ProducerIdAnswer {
  readonly errorCode: number
  readonly producerId: bigint
  readonly epoch: number
  readonly clientSideThrottleTime: number
}

/** A producer that the coordinator is to raise by an epoch, if nobody else has in the meantime. */
export interface CurrentProducer {
  readonly producerId: bigint
  readonly epoch: number
}

export interface ProducerIdWanted {
  /** Null for an idempotent producer without transactions. */
  readonly transactionalId: string | null
  /** After which the coordinator aborts a transaction that has not ended. */
  readonly timeoutMs: number
  /** Absent to take the id over from its holder. */
  readonly current?: CurrentProducer
}

const NAME = { apiKey: 22, apiName: 'InitProducerId' }

/**
 * InitProducerId, v3 where the broker has it (KIP-360). kafkajs stops at v1, which can only take
 * over: in trying to go on it would fence a writer that has taken over from us. Going on with a
 * broker that has v1 only is `fatal`.
 */
export function initProducerId(wanted: ProducerIdWanted): CallFor<ProducerIdAnswer> {
  return (versions) => {
    const isOld = wanted.current === undefined && !speaks(versions, { apiKey: NAME.apiKey, apiVersion: 3 })
    return ownCall(isOld ? version1(wanted) : version3(wanted))(versions)
  }
}

function version1({ transactionalId, timeoutMs }: ProducerIdWanted): OwnRequest<ProducerIdAnswer> {
  const encode = () => new ByteWriter().string(transactionalId).int32(timeoutMs)
  return { ...NAME, apiVersion: 1, encode, decode }
}

/** Flexible: its header and every structure end with tagged fields, of which there are none. */
function version3({ transactionalId, timeoutMs, current }: ProducerIdWanted): OwnRequest<ProducerIdAnswer> {
  const encode = () =>
    new ByteWriter()
      .noTags()
      .compactString(transactionalId)
      .int32(timeoutMs)
      .int64(current?.producerId ?? -1n)
      .int16(current?.epoch ?? -1)
      .noTags()
  return { ...NAME, apiVersion: 3, encode, decode: decodeFlexible }
}

function decodeFlexible(reader: ByteReader): ProducerIdAnswer {
  reader.skipTags()
  return decode(reader)
}

function decode(reader: ByteReader): ProducerIdAnswer {
  return {
    clientSideThrottleTime: reader.int32(),
    errorCode: reader.int16(),
    producerId: reader.bigint64(),
    epoch: reader.int16(),
  }
}

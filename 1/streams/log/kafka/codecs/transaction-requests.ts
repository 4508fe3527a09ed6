import type { Membership } from '../../port.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { OwnRequest } from '../wire/own-call.ts'
import type { OffsetsPayload } from './offset-commit-request.ts'

/**
 * How a transaction tells the broker what takes part in it. 1: by requests of their own before
 * anything is written, and the epoch stays. 2 (KIP-890): by writing, and every end raises the
 * epoch.
 */
export type TransactionProtocol = 1 | 2

/** Who speaks: the broker refuses what an older epoch says. */
export interface Spokesman {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly epoch: number
}

export interface CodedAnswer {
  /** The first code that is not 0; OPERATION_NOT_ATTEMPTED only if nothing else is to blame. */
  readonly errorCode: number
  readonly clientSideThrottleTime: number
}

export interface EndTxnAnswer extends CodedAnswer {
  /** Under which the next transaction goes on; absent in protocol 1, where nothing changes. */
  readonly next?: { readonly producerId: bigint; readonly epoch: number }
}

/** OPERATION_NOT_ATTEMPTED: another partition of the same request is to blame. */
const NOT_ATTEMPTED = 55

/** AddPartitionsToTxn v1, which brokers from 2.0 on and Redpanda have. */
export function addPartitionsRequest(
  by: Spokesman,
  partitions: ReadonlyMap<string, readonly number[]>,
): OwnRequest<CodedAnswer> {
  const encode = (): ByteWriter => {
    const out = spokesman(new ByteWriter().string(by.transactionalId), by).int32(partitions.size)
    for (const [topic, numbers] of partitions) {
      out.string(topic).int32(numbers.length)
      for (const partition of numbers) out.int32(partition)
    }
    return out
  }
  return { apiKey: 24, apiVersion: 1, apiName: 'AddPartitionsToTxn', encode, decode: decodeParts }
}

/** AddOffsetsToTxn v1. */
export function addOffsetsRequest(by: Spokesman, group: string): OwnRequest<CodedAnswer> {
  const encode = () => spokesman(new ByteWriter().string(by.transactionalId), by).string(group)
  return { apiKey: 25, apiVersion: 1, apiName: 'AddOffsetsToTxn', encode, decode: decodeCode }
}

export interface CursorsMove {
  readonly group: string
  /** On whose behalf; undefined: nobody's, and then the group does not look. */
  readonly member: Membership | undefined
  readonly topics: readonly OffsetsPayload[]
}

/**
 * TxnOffsetCommit v3, the first that names the member and its generation (KIP-447), or v5, which
 * adds the group to the transaction by itself. Brokers from 2.5 on and Redpanda have v3.
 */
export function txnOffsetCommitRequest(
  by: Spokesman,
  move: CursorsMove,
  protocol: TransactionProtocol,
): OwnRequest<CodedAnswer> {
  return {
    apiKey: 28,
    apiName: 'TxnOffsetCommit',
    apiVersion: protocol === 1 ? 3 : 5,
    encode: () => encodeMove(by, move),
    decode: decodeMoved,
  }
}

/** EndTxn v1, or v5, which raises the epoch and says to which. */
export function endTxnRequest(
  by: Spokesman,
  isCommit: boolean,
  protocol: TransactionProtocol,
): OwnRequest<EndTxnAnswer> {
  const name = { apiKey: 26, apiName: 'EndTxn' }
  if (protocol === 1) {
    const encode = () => spokesman(new ByteWriter().string(by.transactionalId), by).int8(Number(isCommit))
    return { ...name, apiVersion: 1, encode, decode: decodeCode }
  }
  const encode = () =>
    spokesman(new ByteWriter().noTags().compactString(by.transactionalId), by).int8(Number(isCommit)).noTags()
  return { ...name, apiVersion: 5, encode, decode: decodeEnded5 }
}

const spokesman = (out: ByteWriter, { producerId, epoch }: Spokesman): ByteWriter =>
  out.int64(producerId).int16(epoch)

const NO_MEMBER: Membership = { memberId: '', generation: -1 }

function encodeMove(by: Spokesman, { group, member = NO_MEMBER, topics }: CursorsMove): ByteWriter {
  const out = new ByteWriter().noTags().compactString(by.transactionalId).compactString(group)
  spokesman(out, by).int32(member.generation).compactString(member.memberId).compactString(null)
  out.uvarint(topics.length + 1)
  for (const { topic, partitions } of topics) {
    out.compactString(topic).uvarint(partitions.length + 1)
    for (const { partition, offset, leaderEpoch, metadata } of partitions)
      out.int32(partition).int64(BigInt(offset)).int32(leaderEpoch).compactString(metadata).noTags()
    out.noTags()
  }
  return out.noTags()
}

function decodeCode(reader: ByteReader): CodedAnswer {
  return { clientSideThrottleTime: reader.int32(), errorCode: reader.int16() }
}

function decodeParts(reader: ByteReader): CodedAnswer {
  const clientSideThrottleTime = reader.int32()
  const codes = reader.array(() => {
    reader.string()
    return reader.array(() => partCode(reader))
  })
  return { clientSideThrottleTime, errorCode: firstCode(codes.flat()) }
}

function decodeMoved(reader: ByteReader): CodedAnswer {
  reader.skipTags()
  const clientSideThrottleTime = reader.int32()
  const codes = reader.compactArray(() => {
    reader.compactString()
    const parts = reader.compactArray(() => {
      const code = partCode(reader)
      reader.skipTags()
      return code
    })
    reader.skipTags()
    return parts
  })
  return { clientSideThrottleTime, errorCode: firstCode(codes.flat()) }
}

function decodeEnded5(reader: ByteReader): EndTxnAnswer {
  reader.skipTags()
  const { clientSideThrottleTime, errorCode } = decodeCode(reader)
  return { clientSideThrottleTime, errorCode, next: { producerId: reader.bigint64(), epoch: reader.int16() } }
}

function partCode(reader: ByteReader): number {
  reader.int32()
  return reader.int16()
}

function firstCode(codes: readonly number[]): number {
  const failed = codes.filter((code) => code !== 0)
  return failed.find((code) => code !== NOT_ATTEMPTED) ?? failed[0] ?? 0
}

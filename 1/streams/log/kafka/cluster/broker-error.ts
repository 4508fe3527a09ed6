import { ConnectionLost } from '../wire/connection-lost.ts'

/**
 * What a broker may answer, and what follows from it. The numbers are the protocol's error codes
 * (Kafka protocol guide, "Error Codes"); kafkajs knows only those up to 88, so they are kept as
 * numbers here.
 */
export class BrokerError extends Error {
  readonly code: number

  constructor(code: number, request: string, detail = '') {
    super(`${request}: ${NAMES.get(code) ?? 'broker error'} (${code})${detail === '' ? '' : ` ${detail}`}`)
    this.name = 'BrokerError'
    this.code = code
  }
}

export const OFFSET_OUT_OF_RANGE = 1
export const CORRUPT_MESSAGE = 2
export const LEADER_NOT_AVAILABLE = 5
/** It also stands in for an answer that does not mention what was asked. */
export const NETWORK_EXCEPTION = 13
export const DUPLICATE_SEQUENCE = 46
export const INVALID_TXN_STATE = 48
export const CONCURRENT_TRANSACTIONS = 51
export const ILLEGAL_GENERATION = 22
export const UNKNOWN_MEMBER_ID = 25
export const REBALANCE_IN_PROGRESS = 27
export const TOPIC_ALREADY_EXISTS = 36
export const MEMBER_ID_REQUIRED = 79
export const UNSTABLE_OFFSET_COMMIT = 88
export const UNKNOWN_TOPIC = 3

/**
 * What a broker says that goes down in the middle of a request, or that knows nothing better. It
 * may have happened.
 */
const UNKNOWN_SERVER_ERROR = -1

const NAMES: ReadonlyMap<number, string> = new Map([
  [UNKNOWN_SERVER_ERROR, 'UNKNOWN_SERVER_ERROR'],
  [OFFSET_OUT_OF_RANGE, 'OFFSET_OUT_OF_RANGE'],
  [CORRUPT_MESSAGE, 'CORRUPT_MESSAGE'],
  [UNKNOWN_TOPIC, 'UNKNOWN_TOPIC_OR_PARTITION'],
  [LEADER_NOT_AVAILABLE, 'LEADER_NOT_AVAILABLE'],
  [6, 'NOT_LEADER_OR_FOLLOWER'],
  [7, 'REQUEST_TIMED_OUT'],
  [9, 'REPLICA_NOT_AVAILABLE'],
  [10, 'MESSAGE_TOO_LARGE'],
  [12, 'OFFSET_METADATA_TOO_LARGE'],
  [NETWORK_EXCEPTION, 'NETWORK_EXCEPTION'],
  [14, 'COORDINATOR_LOAD_IN_PROGRESS'],
  [15, 'COORDINATOR_NOT_AVAILABLE'],
  [16, 'NOT_COORDINATOR'],
  [17, 'INVALID_TOPIC_EXCEPTION'],
  [18, 'RECORD_LIST_TOO_LARGE'],
  [19, 'NOT_ENOUGH_REPLICAS'],
  [20, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'],
  [ILLEGAL_GENERATION, 'ILLEGAL_GENERATION'],
  [23, 'INCONSISTENT_GROUP_PROTOCOL'],
  [UNKNOWN_MEMBER_ID, 'UNKNOWN_MEMBER_ID'],
  [26, 'INVALID_SESSION_TIMEOUT'],
  [REBALANCE_IN_PROGRESS, 'REBALANCE_IN_PROGRESS'],
  [29, 'TOPIC_AUTHORIZATION_FAILED'],
  [30, 'GROUP_AUTHORIZATION_FAILED'],
  [31, 'CLUSTER_AUTHORIZATION_FAILED'],
  [32, 'INVALID_TIMESTAMP'],
  [35, 'UNSUPPORTED_VERSION'],
  [TOPIC_ALREADY_EXISTS, 'TOPIC_ALREADY_EXISTS'],
  [37, 'INVALID_PARTITIONS'],
  [38, 'INVALID_REPLICATION_FACTOR'],
  [40, 'INVALID_CONFIG'],
  [41, 'NOT_CONTROLLER'],
  [45, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
  [DUPLICATE_SEQUENCE, 'DUPLICATE_SEQUENCE_NUMBER'],
  [47, 'INVALID_PRODUCER_EPOCH'],
  [INVALID_TXN_STATE, 'INVALID_TXN_STATE'],
  [49, 'INVALID_PRODUCER_ID_MAPPING'],
  [50, 'INVALID_TRANSACTION_TIMEOUT'],
  [CONCURRENT_TRANSACTIONS, 'CONCURRENT_TRANSACTIONS'],
  [53, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'],
  [56, 'KAFKA_STORAGE_ERROR'],
  [59, 'UNKNOWN_PRODUCER_ID'],
  [74, 'FENCED_LEADER_EPOCH'],
  [75, 'UNKNOWN_LEADER_EPOCH'],
  [78, 'OFFSET_NOT_AVAILABLE'],
  [MEMBER_ID_REQUIRED, 'MEMBER_ID_REQUIRED'],
  [81, 'GROUP_MAX_SIZE_REACHED'],
  [87, 'INVALID_RECORD'],
  [UNSTABLE_OFFSET_COMMIT, 'UNSTABLE_OFFSET_COMMIT'],
  [90, 'PRODUCER_FENCED'],
  [120, 'TRANSACTION_ABORTABLE'],
])

const LATER = new Set([7, NETWORK_EXCEPTION, 14, 19, 20, CONCURRENT_TRANSACTIONS, UNSTABLE_OFFSET_COMMIT])
/** The leader or the controller is another one. */
const ELSEWHERE = new Set([UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, 6, 9, 41, 56, 74, 75, 78])
const OTHER_COORDINATOR = new Set([15, 16])
const FENCED = new Set([47, 90])
/**
 * The producer's state at the broker and ours have parted: only a new epoch, or another producer
 * id, brings them together.
 */
const OUT_OF_STEP = new Set([45, DUPLICATE_SEQUENCE, 59])
const START_OVER = new Set([INVALID_TXN_STATE, 49])

/**
 * `lost`: no answer, it may have happened. `later`: the same again. `elsewhere`: again at the new
 * leader. `coordinator`: again at the new coordinator. `fenced`: another has taken over.
 * `out-of-step`: sequences are off. `start-over`: fence again. `abortable`: this transaction cannot
 * commit, the next may. `refused`: no repetition helps.
 */
export type Remedy =
  | 'lost'
  | 'later'
  | 'elsewhere'
  | 'coordinator'
  | 'fenced'
  | 'out-of-step'
  | 'start-over'
  | 'abortable'
  | 'refused'

/**
 * Undefined for what did not come from a broker or the way to it: a programmer's error, to be
 * thrown on.
 */
export function remedyFor(error: unknown): Remedy | undefined {
  if (error instanceof BrokerError) return remedyForCode(error.code)
  return error instanceof ConnectionLost ? 'lost' : undefined
}

function remedyForCode(code: number): Remedy {
  if (code === UNKNOWN_SERVER_ERROR) return 'lost'
  if (LATER.has(code)) return 'later'
  if (ELSEWHERE.has(code)) return 'elsewhere'
  if (OTHER_COORDINATOR.has(code)) return 'coordinator'
  if (FENCED.has(code)) return 'fenced'
  if (OUT_OF_STEP.has(code)) return 'out-of-step'
  if (START_OVER.has(code)) return 'start-over'
  return code === 120 ? 'abortable' : 'refused'
}

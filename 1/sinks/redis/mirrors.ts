import { Redis } from 'ioredis'
import { outboundRequests } from '../../streams/contracts/outbound.ts'
import { receiptLookups } from '../../streams/contracts/receipts.ts'
import { sink, taking, type Sink, type SinkHooks } from '../sink.ts'

/** [DB81], [DB82] */
const MESSAGE_SECONDS = 172_800
const FINGERPRINT_SECONDS = 86_400
/** A mirror is worth a moment, not a wait: beyond it the batch goes on without. */
const COMMAND_MS_MAX = 1_000
const RECONNECT_MS_MAX = 5_000

/** Never queues: while Redis is away every command fails at once. */
export function openRedis(url: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: COMMAND_MS_MAX,
    commandTimeout: COMMAND_MS_MAX,
    retryStrategy: (attempt) => Math.min(attempt * 200, RECONNECT_MS_MAX),
  })
  redis.on('error', onError)
  return redis
}

/**
 * Keys for outside readers: which messages and which receipt fingerprints have been seen. Nothing
 * of ours reads them, so they are skipped and counted while Redis is away [O12]. A key that is
 * there keeps its age.
 */
export function redisSink(
  redis: Redis,
  hooks: SinkHooks,
  onSkipped: (keys: number, error: unknown) => void,
): Sink {
  const mirror = mirroring(redis, onSkipped)
  return sink('redis', [
    taking(outboundRequests, hooks, (requests) =>
      mirror(
        requests.map(({ messageId }) => `orch:idem:${messageId}`),
        MESSAGE_SECONDS,
      ),
    ),
    taking(receiptLookups, hooks, (lookups) =>
      mirror(
        lookups.map(({ receipt }) => `dlr:fp:${receipt.fingerprint}`),
        FINGERPRINT_SECONDS,
      ),
    ),
  ])
}

const mirroring =
  (redis: Redis, onSkipped: (keys: number, error: unknown) => void) =>
  async (keys: readonly string[], seconds: number): Promise<number> => {
    const pipeline = redis.pipeline()
    for (const key of keys) pipeline.set(key, '1', 'EX', seconds, 'NX')
    try {
      const replies = (await pipeline.exec()) ?? []
      const failed = replies.flatMap(([error]) => (error === null ? [] : [error]))
      if (failed.length > 0) onSkipped(failed.length, failed[0])
      return keys.length - failed.length
    } catch (error) {
      onSkipped(keys.length, error)
      return 0
    }
  }

import { z } from 'zod'
import { instant, uuid } from '../../streams/contracts/topic.ts'
import { BoundedMap } from '../../streams/platform/bounded-map.ts'
import type { SharedState } from '../redis.ts'

/** What became of one segment, as it is published [SC6]. */
export const SegmentResult = z.object({
  outcome: z.enum(['ACCEPTED', 'REJECTED', 'EXPIRED']),
  /** Operator that really carried it. */
  operatorId: uuid,
  operatorMessageId: z.string().exactOptional(),
  commandStatus: z.number().int().exactOptional(),
  submittedAt: instant,
})
export type SegmentResult = z.infer<typeof SegmentResult>

/**
 * How far a segment is. `submitting`: a PDU may be on its way, so after a crash nobody knows;
 * `result`: decided, not yet on NATS; `published`: on NATS. A segment without an entry has not been
 * sent.
 */
const SegmentProgress = z.discriminatedUnion('state', [
  z.object({ state: z.literal('submitting') }),
  z.object({ state: z.literal('result'), result: SegmentResult }),
  z.object({ state: z.literal('published'), result: SegmentResult }),
])
export type SegmentProgress = z.infer<typeof SegmentProgress>
export type CommandProgress = ReadonlyMap<number, SegmentProgress>

/**
 * Progress of the commands in work [S4]. It is in Redis [DB84] for the process that goes on after a
 * crash. It is in memory too, so that a command that comes back while Redis is away is not sent
 * again.
 */
export interface Journal {
  read(messageId: string): Promise<CommandProgress>
  write(messageId: string, segmentIndex: number, progress: SegmentProgress): Promise<void>
  /** The segment was certainly not sent, or is to be sent again. */
  clear(messageId: string, segmentIndex: number): Promise<void>
  /** The command is acknowledged: this process need not remember it. */
  forget(messageId: string): void
  /**
   * Another process has worked on these commands since, so what this one remembers may be out of
   * date.
   */
  forgetAll(): void
}

const TTL_S = 259_200
const REMEMBERED_MAX = 10_000

export function createJournal(shared: SharedState, onUnavailable: () => void): Journal {
  // null: cleared here, whatever Redis says.
  const remembered = new BoundedMap<string, Map<number, SegmentProgress | null>>(REMEMBERED_MAX)
  const remember = (messageId: string, segmentIndex: number, progress: SegmentProgress | null): void => {
    const known = remembered.get(messageId) ?? new Map<number, SegmentProgress | null>()
    remembered.set(messageId, known.set(segmentIndex, progress))
  }
  const noted = (written: unknown): void => {
    if (written === undefined) onUnavailable()
  }
  return {
    read: async (messageId) => {
      const stored = await shared.attempt((redis) => redis.hgetall(keyOf(messageId)))
      noted(stored)
      const progress = parse(stored ?? {})
      for (const [segmentIndex, known] of remembered.get(messageId) ?? []) {
        if (known === null) progress.delete(segmentIndex)
        else progress.set(segmentIndex, known)
      }
      return progress
    },
    write: async (messageId, segmentIndex, progress) => {
      remember(messageId, segmentIndex, progress)
      const key = keyOf(messageId)
      const written = shared.attempt((redis) =>
        Promise.all([
          redis.hset(key, String(segmentIndex), JSON.stringify(progress)),
          redis.expire(key, TTL_S),
        ]),
      )
      noted(await written)
    },
    clear: async (messageId, segmentIndex) => {
      remember(messageId, segmentIndex, null)
      noted(await shared.attempt((redis) => redis.hdel(keyOf(messageId), String(segmentIndex))))
    },
    forget: (messageId) => remembered.delete(messageId),
    forgetAll: () => remembered.clear(),
  }
}

const keyOf = (messageId: string): string => `smpp:progress:${messageId}`

function parse(stored: Readonly<Record<string, string>>): Map<number, SegmentProgress> {
  const progress = new Map<number, SegmentProgress>()
  for (const [segmentIndex, text] of Object.entries(stored)) {
    progress.set(Number(segmentIndex), entryOf(text))
  }
  return progress
}

/** An entry that we cannot read was still written around a submit, so the segment is in doubt. */
function entryOf(text: string): SegmentProgress {
  try {
    return SegmentProgress.parse(JSON.parse(text))
  } catch {
    return { state: 'submitting' }
  }
}

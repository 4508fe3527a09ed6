import { z } from 'zod'
import { count, instant, uuid } from '../../streams/contracts/topic.ts'

/** What became of one segment, as it is published [SC6]. */
export const SegmentResult = z.object({
  outcome: z.enum(['ACCEPTED', 'REJECTED', 'EXPIRED']),
  /** Operator that really carried it. */
  operatorId: uuid,
  operatorMessageId: z.string().exactOptional(),
  commandStatus: z.number().int().exactOptional(),
  uncertain: z.boolean().exactOptional(),
  submittedAt: instant,
})
export type SegmentResult = z.infer<typeof SegmentResult>

/**
 * How far a segment is. A segment without an entry has not been sent.
 *
 * - `submitting`: a PDU may be on its way, so after a crash nobody knows.
 * - `doubt`: a PDU was written and not answered; a late answer settles it, or it is sent once more.
 * - `result`: decided, not yet on NATS.
 * - `published`: on NATS.
 *
 * `resubmits`: how often the segment was sent although an earlier PDU of it may have arrived [S9].
 * `operatorId`: whom it was sent to.
 */
const sent = { resubmits: count.default(0), operatorId: uuid.exactOptional() }
const SegmentProgress = z.discriminatedUnion('state', [
  z.object({ state: z.literal('submitting'), ...sent }),
  z.object({ state: z.literal('doubt'), ...sent }),
  z.object({ state: z.literal('result'), result: SegmentResult }),
  z.object({ state: z.literal('published'), result: SegmentResult }),
])
export type SegmentProgress = z.infer<typeof SegmentProgress>
/** A segment of which a PDU may have arrived. */
export type Unsettled = Extract<SegmentProgress, { state: 'submitting' | 'doubt' }>
export type CommandProgress = ReadonlyMap<number, SegmentProgress>

/** How often a command has been refused, by class; each class has delays of its own. */
const Tries = z.object({ throttle: count, transient: count, unknown: count })
export type Tries = Readonly<z.infer<typeof Tries>>
export const NO_TRIES: Tries = { throttle: 0, transient: 0, unknown: 0 }

/** The segments of a hash of the journal; its other fields have names that are no numbers. */
export function progressIn(stored: Readonly<Record<string, string>>): Map<number, SegmentProgress> {
  const progress = new Map<number, SegmentProgress>()
  for (const [field, text] of Object.entries(stored)) {
    const index = Number(field)
    if (Number.isInteger(index)) progress.set(index, entryOf(text))
  }
  return progress
}

/** An entry that we cannot read was still written around a submit, so the segment is in doubt. */
const entryOf = (text: string): SegmentProgress =>
  parsed(SegmentProgress, text) ?? { state: 'submitting', resubmits: 0 }

export const triesIn = (text: string | undefined): Tries =>
  (text === undefined ? undefined : parsed(Tries, text)) ?? NO_TRIES

export function referenceIn(text: string | undefined): number | undefined {
  const reference = Number(text)
  return text !== undefined && Number.isInteger(reference) ? reference : undefined
}

function parsed<V>(schema: z.ZodType<V>, text: string): V | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    // Not JSON: written by no version of ours, and worth as little as one that does not fit.
    return undefined
  }
}

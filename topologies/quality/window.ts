import { z } from 'zod'
import type { OperatorQuality, OperatorSample } from '../../streams/contracts/operators.ts'
import { count } from '../../streams/contracts/topic.ts'

/** What is kept of an operator: counts by half minutes, of five minutes. No more than eleven. */
export const BUCKET_MS = 30_000
export const WINDOW_MS = 300_000

/** Ends of the ranges of latencies. A quantile is told as the end of its range. */
export const LATENCY_ENDS_MS = [
  1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000,
] as const

const Bucket = z.object({
  startMs: z.number().int(),
  taken: count,
  late: count,
  quarantined: count,
  orphan: count,
  ended: count,
  delivered: count,
  /** One count a range, and one for what is above the last. */
  latencies: z.array(count),
})
type Bucket = z.infer<typeof Bucket>

export const Window = z.object({ buckets: z.array(Bucket) })
export type Window = z.infer<typeof Window>

export const bucketStart = (ms: number): number => Math.floor(ms / BUCKET_MS) * BUCKET_MS

const emptyBucket = (startMs: number): Bucket => ({
  startMs,
  taken: 0,
  late: 0,
  quarantined: 0,
  orphan: 0,
  ended: 0,
  delivered: 0,
  latencies: Array.from({ length: LATENCY_ENDS_MS.length + 1 }, () => 0),
})

/** The window with the sample of that time; as it was when that time has long passed. */
export function withSample(window: Window, sample: OperatorSample, atMs: number): Window {
  const startMs = bucketStart(atMs)
  const newest = Math.max(startMs, ...window.buckets.map((bucket) => bucket.startMs))
  if (startMs <= newest - WINDOW_MS) return window
  const others = window.buckets.filter(
    (bucket) => bucket.startMs !== startMs && bucket.startMs >= newest - WINDOW_MS,
  )
  const known = window.buckets.find((bucket) => bucket.startMs === startMs) ?? emptyBucket(startMs)
  return { buckets: [...others, counted(known, sample)] }
}

function counted(bucket: Bucket, { receipt, ended, latencyMs }: OperatorSample): Bucket {
  const next = { ...bucket }
  if (receipt !== undefined) next[receipt] += 1
  if (ended !== undefined) next.ended += 1
  if (ended === 'DELIVERED') next.delivered += 1
  if (latencyMs !== undefined)
    next.latencies = bucket.latencies.with(
      rangeOf(latencyMs),
      1 + (bucket.latencies[rangeOf(latencyMs)] ?? 0),
    )
  return next
}

function rangeOf(latencyMs: number): number {
  const found = LATENCY_ENDS_MS.findIndex((end) => latencyMs <= end)
  return found === -1 ? LATENCY_ENDS_MS.length : found
}

/** What is younger than five minutes at that time. */
export const since = ({ buckets }: Window, atMs: number): Window => ({
  buckets: buckets.filter(({ startMs }) => startMs >= atMs - WINDOW_MS),
})

type Figures = Omit<OperatorQuality, 'schemaVersion' | 'eventId' | 'occurredAt' | 'operatorId'>

/** Of the buckets that had ended by then. */
export function figuresAt(window: Window, atMs: number): Figures {
  const buckets = since(window, atMs).buckets.filter(({ startMs }) => startMs < atMs)
  const sum = (of: (bucket: Bucket) => number): number => buckets.reduce((total, each) => total + of(each), 0)
  const [late, quarantined, orphans] = [
    sum((bucket) => bucket.late),
    sum((bucket) => bucket.quarantined),
    sum((bucket) => bucket.orphan),
  ]
  const receipts = sum((bucket) => bucket.taken) + late + quarantined + orphans
  const segments = sum((bucket) => bucket.ended)
  const latencies = LATENCY_ENDS_MS.map((_, range) => sum((bucket) => bucket.latencies[range] ?? 0))
  const told = latencies.reduce(
    (total, each) => total + each,
    sum((bucket) => bucket.latencies.at(-1) ?? 0),
  )
  return {
    windowMs: WINDOW_MS,
    receipts,
    orphanPercent: percentOf(orphans, receipts),
    latePercent: percentOf(late, receipts),
    quarantinedPercent: percentOf(quarantined, receipts),
    segments,
    deliveredPercent: percentOf(
      sum((bucket) => bucket.delivered),
      segments,
    ),
    latencyP50Ms: quantileOf(latencies, told * 0.5),
    latencyP95Ms: quantileOf(latencies, told * 0.95),
  }
}

/** To a hundredth. */
const percentOf = (part: number, whole: number): number | null =>
  whole === 0 ? null : Math.round((10_000 * part) / whole) / 100

/** The end of the range in which the count of the smaller ones reaches `rank`. */
function quantileOf(latencies: readonly number[], rank: number): number | null {
  let reached = 0
  for (const [range, held] of latencies.entries()) {
    reached += held
    if (reached > 0 && reached >= rank) return LATENCY_ENDS_MS[range] ?? null
  }
  return null
}

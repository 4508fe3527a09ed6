import { operatorQuality, operatorSamples, type OperatorSample } from '../../streams/contracts/operators.ts'
import { dlrRecords } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { qualityEventId } from '../../streams/domain/event-id.ts'
import { defineProcessor, type Scope } from '../../streams/dsl/processor.ts'
import { defineTopology, type Topology } from '../../streams/dsl/topology.ts'
import { instantOf } from '../instant.ts'
import { NOTES, type NoteName } from '../notes.ts'
import { sampleOf } from './sample.ts'
import { BUCKET_MS, bucketStart, figuresAt, since, Window, withSample } from './window.ts'

/** From the key of a message, or of an operator's id, to the operator. */
const sampling = defineProcessor({
  name: 'samples',
  reads: { record: dlrRecords },
  emits: { sample: operatorSamples },
  on: {
    record: (record, scope) => {
      const sample = sampleOf(record)
      if (sample !== undefined) scope.emit('sample', sample)
    },
  },
})

const emits = { quality: operatorQuality }
type QualityScope = Scope<Window, typeof emits, 'tell', NoteName>

const measuring = defineProcessor({
  name: 'quality',
  reads: { sample: operatorSamples },
  emits,
  notes: NOTES,
  state: { store: 'windows', schema: Window },
  on: { sample: takeSample },
  due: { tell },
})

/** What is read again was counted when it was new [M3]. */
function takeSample(sample: OperatorSample, scope: QualityScope): void {
  if (scope.replayed) return
  const { state, now } = scope
  scope.put(withSample(state ?? { buckets: [] }, sample, now))
  if (state === undefined) scope.arm('tell', bucketStart(now) + BUCKET_MS)
}

/** Every half minute, and once more when nothing has been heard for as long as is looked back. */
function tell(window: Window, scope: QualityScope): void {
  const { key: operatorId, now } = scope
  const figures = figuresAt(window, now)
  const occurredAt = instantOf(now)
  const eventId = qualityEventId(operatorId, occurredAt)
  scope.emit('quality', { schemaVersion: SCHEMA_VERSION, eventId, occurredAt, operatorId, ...figures })
  scope.note('operator.quality', {
    operatorId,
    orphanPercent: figures.orphanPercent ?? undefined,
    latePercent: figures.latePercent ?? undefined,
    quarantinedPercent: figures.quarantinedPercent ?? undefined,
    deliveredPercent: figures.deliveredPercent ?? undefined,
    latencyP50Seconds: secondsOf(figures.latencyP50Ms),
    latencyP95Seconds: secondsOf(figures.latencyP95Ms),
  })
  const kept = since(window, now)
  if (kept.buckets.length === 0) return scope.forget()
  scope.put(kept)
  scope.arm('tell', now + BUCKET_MS)
}

const secondsOf = (ms: number | null): number | undefined => (ms === null ? undefined : ms / 1000)

export const QUALITY = 'quality'

/**
 * The topology `quality`: how each operator has done in the last five minutes [M45]. Its samples
 * are a topic of their own, because an operator's messages lie in all partitions.
 */
export const quality: Topology = defineTopology(QUALITY, [sampling, measuring])

import type { OperatorQuality, OperatorSample } from './operators.ts'

/** As in `examples.ts`: what is said of the operator of those examples. */
const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'

export const sampleExample: OperatorSample = {
  schemaVersion: '1.0',
  eventId: 'd5a10a2b-3d0c-5b4e-9c45-6a7f0f6a1c11',
  occurredAt: '2026-04-18T10:23:46.120Z',
  operatorId,
  receipt: 'taken',
  ended: 'DELIVERED',
  latencyMs: 5940,
}

export const qualityExample: OperatorQuality = {
  schemaVersion: '1.0',
  eventId: '2f1c9c60-0d5b-5b6f-8a3d-1c4c2f0d9e77',
  occurredAt: '2026-04-18T10:24:00.000Z',
  operatorId,
  windowMs: 300_000,
  receipts: 1,
  orphanPercent: 0,
  latePercent: 0,
  quarantinedPercent: 0,
  segments: 1,
  deliveredPercent: 100,
  latencyP50Ms: 10_000,
  latencyP95Ms: 10_000,
}

import type { Topology } from '../streams/dsl/topology.ts'
import { outbound, type OutboundOptions } from './outbound/outbound.ts'
import { correlate, correlateWithin } from './receipts/correlate.ts'
import type { CorrelationLimits } from './receipts/correlation.ts'
import { intake, type IntakeOptions } from './receipts/intake.ts'
import { quality } from './quality/quality.ts'
import { segments, type SegmentsOptions } from './segments/segments.ts'

/** The application: prefix of its groups and transactional ids. */
export const APP = 'sms'

/** Every topology of the platform, in the order in which a message passes them. */
export const allTopologies = (options: AllOptions): readonly Topology[] => [
  outbound(options),
  intake(options),
  options.correlation === undefined ? correlate : correlateWithin(options.correlation),
  segments(options),
  quality,
]

export interface AllOptions extends SegmentsOptions, OutboundOptions, IntakeOptions {
  /** Default: CORRELATION_LIMITS. */
  readonly correlation?: CorrelationLimits
}

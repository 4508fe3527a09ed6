import type { Topology } from '../streams/dsl/topology.ts'
import { outbound, type OutboundOptions } from './outbound/outbound.ts'
import { correlate } from './receipts/correlate.ts'
import { intake } from './receipts/intake.ts'
import type { SentOptions } from './receipts/sent.ts'
import { segments } from './segments/segments.ts'

/** The application: prefix of its groups and transactional ids. */
export const APP = 'sms'

/** Every topology of the platform, in the order in which a message passes them. */
export const allTopologies = (options: SentOptions & OutboundOptions): readonly Topology[] => [
  outbound(options),
  intake(options),
  correlate,
  segments(options),
]

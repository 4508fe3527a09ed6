import type { PlannedMessage } from '../demo/plan.ts'

/** Of the last three digits those from 900 on make the operator do something special. */
const ORDINARY = 900
const DESTINATIONS_MAX = 100 * ORDINARY

/** One segment each, delivered at once: what a message costs when nothing goes wrong. */
export function plainMessages(from: number, count: number): readonly PlannedMessage[] {
  if (from + count > DESTINATIONS_MAX) throw new Error(`at most ${DESTINATIONS_MAX} messages in one run`)
  return Array.from({ length: count }, (_, index) => plainMessage(from + index))
}

const digits = (value: number, length: number): string => String(value).padStart(length, '0')

const plainMessage = (index: number): PlannedMessage => ({
  token: `#${index}#`,
  tenant: index % 2,
  idempotencyKey: `bench-${index}`,
  to: `+4477009${digits(Math.floor(index / ORDINARY), 2)}${digits(index % ORDINARY, 3)}`,
  from: 'GHASI',
  body: `#${index}# your code is 4711`,
  messageType: 'SMS',
  segments: 1,
  expected: 'DELIVERED',
  repeated: false,
})

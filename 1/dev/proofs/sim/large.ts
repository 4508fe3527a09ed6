import { eventId, instant, MINUTE_MS, OPERATORS } from './checks/ids.ts'
import type { Dice } from './dice.ts'
import type { Sender } from './sender.ts'
import { RECEIPTS, REQUESTS, RESULTS } from './traffic.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface LargeOptions {
  readonly dice: Dice
  readonly time: VirtualTime
  readonly sender: Sender
  readonly spreadMs: number
}

/** Of all seeds: what is so large takes its time. */
const RATE = 0.08
const LARGE_MAX = 3

/** What a bridge takes, and so what lies on the log at most (`max.message.bytes` is 1 MiB). */
export const MIRRORED_BYTES_MAX = 1_000_000
const GARBAGE_BYTES = [520_000, 700_000, 850_000, 990_000, MIRRORED_BYTES_MAX + 1]
/** Of a receipt that says much beside what is asked of it. */
const PAYLOAD_BYTES = [100_000, 850_000, 980_000]

/** Records near the limit of the log, between the others: what nobody can read, and receipts. */
export function sendLarge(options: LargeOptions): void {
  const { dice, sender, spreadMs } = options
  if (!dice.chance(RATE)) return
  for (let n = dice.int(1, LARGE_MAX); n > 0; n -= 1) {
    const sending = dice.chance(0.5) ? garbage(dice) : receipt(options, n)
    sender.after(dice.int(0, spreadMs), sending)
  }
}

const garbage = (dice: Dice) => ({
  topic: dice.pick([REQUESTS, RESULTS, RECEIPTS]),
  value: dice.pick(['{', 'x', '"']).padEnd(dice.pick(GARBAGE_BYTES), 'x'),
})

/** Nobody has sent what it reports on. */
function receipt({ dice, time }: LargeOptions, n: number) {
  const { operatorId } = dice.pick(OPERATORS.filter(({ ids }) => ids === 'exact'))
  const operatorMessageId = `LARGE-${n % 1}`
  const receivedAt = instant(time.wallMs + n * MINUTE_MS)
  const value = {
    schemaVersion: '1.0',
    eventId: eventId('dlr', operatorId, operatorMessageId, 'DELIVRD', receivedAt),
    occurredAt: receivedAt,
    operatorId,
    operatorMessageId,
    stat: 'DELIVRD',
    errorCode: '000',
    deliveredAt: null,
    receivedAt,
    rawPayload: { text: 'x'.repeat(dice.pick(PAYLOAD_BYTES)) },
  }
  return { topic: RECEIPTS, value }
}

import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { commandExample } from '../../streams/contracts/examples.ts'
import type { DispatchCommand } from '../../streams/contracts/outbound.ts'

/** Invented commands and numbers, and patience. */

export const commandTo = (operatorId: string, change: Partial<DispatchCommand> = {}): DispatchCommand => ({
  ...commandExample,
  messageId: randomUUID(),
  eventId: randomUUID(),
  operatorId,
  enqueuedAt: new Date().toISOString(),
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  ...change,
})

/**
 * A number whose last three digits choose the simulator's behaviour, unlike any other of this run.
 */
export const phone = (behaviour: string): string => {
  phones += 1
  return `+4477${String(process.pid % 1_000).padStart(3, '0')}${String(phones % 10_000).padStart(4, '0')}${behaviour}`
}
let phones = Math.floor(Math.random() * 10_000)

export const until = async (holds: () => boolean | Promise<boolean>, timeout = 10_000): Promise<void> => {
  await expect.poll(holds, { timeout, interval: 10 }).toBe(true)
}

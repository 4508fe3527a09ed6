import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../stack/ports.ts'
import { Bearerbox } from '../../neighbours/kannel/bearerbox.ts'
import { Part } from './smpp-children.ts'
import { phoneOf } from './smpp-load.ts'

const GIVEN_AT_ONCE = 500
const POLL_MS = 20

export interface KannelFigures {
  readonly perSecond: number
  readonly cpuMicrosPerSubmit: number
  /** Delivery reports that never came: Kannel drops a receipt whose message it does not find. */
  readonly receiptsLost: number
}

/** So long after the last report no other is waited for. */
const QUIET_MS = 5_000

/**
 * Kannel's bearerbox over one bind of the same simulator, with what it has of the same durability:
 * its queue is on disk before the clock starts, and every message has two reports (taken,
 * delivered), of which the last stops the clock. It starts when Kannel is bound: until then the
 * simulator is not there, which is the only way to make Kannel keep what it gets.
 */
export async function measureKannel(window: number, messages: number): Promise<KannelFigures> {
  const port = await freePort()
  const kannel = await Bearerbox.start({ port, window, systemId: 'bench', password: 'bench' })
  try {
    for (let from = 0; from < messages; from += GIVEN_AT_ONCE)
      await give(kannel, from, Math.min(messages, from + GIVEN_AT_ONCE))
    return await measured(kannel, port, messages)
  } finally {
    await kannel.close()
  }
}

async function measured(kannel: Bearerbox, port: number, messages: number): Promise<KannelFigures> {
  const simulator = new Part('smpp-simulator.ts', { responseDelayMs: 0, port })
  await kannel.bound()
  const cpuBefore = kannel.cpuMicros()
  const startedAt = performance.now()
  const seconds = ((await lastReportAt(kannel, messages)) - startedAt) / 1_000
  const cpuMicros = kannel.cpuMicros() - cpuBefore
  await simulator.end()
  return {
    perSecond: Math.round(messages / seconds),
    cpuMicrosPerSubmit: Math.round(cpuMicros / messages),
    receiptsLost: messages - kannel.box.reports.delivered,
  }
}

async function lastReportAt({ box: { reports } }: Bearerbox, messages: number): Promise<number> {
  let last = { count: 0, at: performance.now() }
  while (reports.delivered < messages || reports.taken < messages) {
    if (reports.failed + reports.refused > 0) throw new Error('the simulator refuses what Kannel sends')
    const count = reports.delivered + reports.taken
    if (count > last.count) last = { count, at: performance.now() }
    if (performance.now() - last.at > QUIET_MS) return last.at
    await sleep(POLL_MS)
  }
  return performance.now()
}

async function give({ box }: Bearerbox, from: number, to: number): Promise<void> {
  const indices = Array.from({ length: to - from }, (_, at) => from + at)
  const taken = await Promise.all(
    indices.map((index) =>
      box.submit({ from: 'GHASI', to: phoneOf(index, true), text: 'Your code is 4711' }),
    ),
  )
  if (taken.includes(false)) throw new Error('Kannel does not take our messages')
}

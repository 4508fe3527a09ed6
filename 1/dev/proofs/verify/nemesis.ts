import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from '../../local/service.ts'
import type { Dice } from '../sim/dice.ts'

/** What was done to the members; counted as it is done. */
export interface Troubles {
  kills: number
  stops: number
  restarts: number
  /** Members that ended by themselves: their supervisor would start them again, and so do we. */
  endedAlone: number
}

export const noTroubles = (): Troubles => ({ kills: 0, stops: 0, restarts: 0, endedAlone: 0 })

const CALM_MS = [2000, 8000] as const
const AWAY_MS = [0, 3000] as const
/** From below the session's timeout to well above: some come back in time, some as zombies. */
const STOPPED_MS = [5000, 15_000] as const
const WEIGHTS = { kill: 4, stop: 4, restart: 3 }

/**
 * Troubles one member until `until` aborts, and leaves it running. Members are troubled
 * independently of each other.
 */
export async function trouble(
  member: Service,
  dice: Dice,
  troubles: Troubles,
  until: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  for (;;) {
    await sleep(dice.int(...CALM_MS), undefined, { signal: until }).catch(() => undefined)
    if (until.aborted) return
    await revive(member, troubles)
    const what = dice.weighted(WEIGHTS)
    say(`${what} ${member.spec.name}`)
    if (what === 'stop') await stop(member, dice, troubles)
    else await replace(member, what, dice, troubles)
  }
}

async function replace(
  member: Service,
  how: 'kill' | 'restart',
  dice: Dice,
  troubles: Troubles,
): Promise<void> {
  if (how === 'kill') await member.crash()
  else await member.stop()
  troubles[how === 'kill' ? 'kills' : 'restarts'] += 1
  await sleep(dice.int(...AWAY_MS))
  await startAgain(member, troubles)
}

async function stop(member: Service, dice: Dice, troubles: Troubles): Promise<void> {
  if (!signal(member, 'SIGSTOP')) return
  try {
    await sleep(dice.int(...STOPPED_MS))
  } finally {
    signal(member, 'SIGCONT')
  }
  troubles.stops += 1
}

export async function revive(member: Service, troubles: Troubles): Promise<void> {
  if (signal(member, 0)) return
  troubles.endedAlone += 1
  await member.stop()
  await startAgain(member, troubles)
}

const STARTS_MAX = 5

/** A member that ends while it starts has ended by itself as well, and gets some more chances. */
async function startAgain(member: Service, troubles: Troubles): Promise<void> {
  for (let left = STARTS_MAX; ; left -= 1) {
    try {
      return await member.start()
    } catch (error) {
      if (left === 1) throw error
      troubles.endedAlone += 1
    }
  }
}

/** False when there is no such process any more. */
function signal({ pid }: Service, name: 'SIGSTOP' | 'SIGCONT' | 0): boolean {
  if (pid === undefined) return false
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

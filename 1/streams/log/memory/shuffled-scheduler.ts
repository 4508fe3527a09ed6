import type { Schedule } from './connection.ts'

/** Turns in a random but repeatable order: the same random numbers give the same run. */
export interface ShuffledScheduler {
  readonly schedule: Schedule
  /** How many tasks wait for their turn. */
  waiting(): number
  /** Runs one waiting task; false if there is none. */
  step(): boolean
  /** Runs tasks, and between any two all that their promises set off, until none is left. */
  drain(): Promise<void>
}

/**
 * @param random a number from 0 (inclusive) to 1 (exclusive)
 * @param settle waits until no promise callback is left to run; the default lets the event loop
 *   turn once
 */
export function shuffledScheduler(
  random: () => number,
  settle: () => Promise<void> = eventLoopTurn,
): ShuffledScheduler {
  const tasks: (() => void)[] = []
  const step = (): boolean => {
    const drawn = Math.floor(random() * tasks.length)
    const task = tasks[drawn]
    const last = tasks.pop()
    if (task === undefined || last === undefined) return false
    if (drawn < tasks.length) tasks[drawn] = last
    task()
    return true
  }
  return {
    schedule: (task) => void tasks.push(task),
    waiting: () => tasks.length,
    step,
    async drain() {
      do await settle()
      while (step())
    },
  }
}

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

import type { JobState } from './desks.ts'
import { closing, failed, misused, type Command } from './terminal.ts'

/** The scheduled jobs: when each last succeeded, and running one now. */

const list: Command = async (terminal, options, operand) => {
  if (operand !== undefined) return misused(terminal, 'No such command.')
  return closing(terminal.desks.jobs, async (desk) => {
    for (const state of await desk.list())
      terminal.say(`${options.json === true ? JSON.stringify(state) : asLine(state)}\n`)
    return 0
  })
}

const asLine = ({ name, everyMs, succeededAt, failedAt, isOverdue }: JobState): string =>
  [
    name.padEnd(18),
    `every ${String(everyMs / 60_000).padStart(4)} min`,
    `succeeded ${(succeededAt ?? 'never').padEnd(24)}`,
    `failed ${(failedAt ?? 'never').padEnd(24)}`,
    isOverdue ? 'OVERDUE' : 'in time',
  ].join('  ')

const run: Command = async (terminal, _options, name) => {
  if (name === undefined) return misused(terminal, 'The name of a job is missing.')
  return closing(terminal.desks.jobs, async (desk) => {
    const end = await desk.run(name)
    if (end === 'unknown') {
      const names = (await desk.list()).map((state) => state.name).join(', ')
      return misused(terminal, `There is no job ${name}; there are ${names}.`)
    }
    if (end === 'busy') return failed(terminal, `Another process is running ${name}.`)
    terminal.say(`${name} is done\n`)
    return 0
  })
}

export const JOB_COMMANDS: readonly (readonly [string, Command])[] = [
  ['jobs', list],
  ['jobs run', run],
]

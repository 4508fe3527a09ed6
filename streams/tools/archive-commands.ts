import type { ArchivePart } from './desks.ts'
import { closing, failed, limitOf, misused, sayRows, type Command } from './terminal.ts'

/** What has gone to S3, doing it now, and the rules by which a bucket forgets [DB63]. */

const OFF = 'There is no archive: ARCHIVE_BUCKET is not set.'

const status: Command = async (terminal, options, operand) => {
  if (operand !== undefined) return misused(terminal, 'No such command.')
  const limit = limitOf(terminal, options)
  if (limit === undefined) return 2
  return closing(terminal.desks.archive, async (desk) => {
    const parts = await desk.list(limit + 1)
    sayRows(terminal, parts, limit, options.json === true ? (part) => JSON.stringify(part) : asLine)
    return 0
  })
}

const asLine = ({ table, month, part, state, rows, object, at }: ArchivePart): string =>
  [
    table.padEnd(22),
    `${month} part ${part}`,
    state.padEnd(8),
    `${rows ?? '?'} rows`.padStart(13),
    at,
    rows === 0 ? '' : object,
  ]
    .join('  ')
    .trimEnd()

const run: Command = async (terminal, _options, operand) => {
  if (operand !== undefined) return misused(terminal, 'No such command.')
  return closing(terminal.desks.jobs, async (desk) => {
    const end = await desk.run('archive')
    if (end === 'unknown') return failed(terminal, OFF)
    if (end === 'busy') return failed(terminal, 'Another process is running the archive.')
    terminal.say('the archive is done\n')
    return 0
  })
}

const lifecycle: Command = async (terminal, _options, operand) => {
  if (operand !== undefined) return misused(terminal, 'No such command.')
  return closing(terminal.desks.archive, async (desk) => {
    const changed = await desk.applyLifecycle()
    if (changed === undefined) return failed(terminal, OFF)
    for (const bucket of changed) terminal.say(`${bucket} has its rules now\n`)
    if (changed.length === 0) terminal.say('the buckets have their rules\n')
    return 0
  })
}

export const ARCHIVE_COMMANDS: readonly (readonly [string, Command])[] = [
  ['archive status', status],
  ['archive run', run],
  ['archive lifecycle', lifecycle],
]

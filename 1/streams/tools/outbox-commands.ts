import type { PutAside } from './desks.ts'
import { closing, failed, limitOf, misused, sayRows, type Command } from './terminal.ts'

/** Events that the API holds because NATS refused them for good [SM26]. */

const list: Command = async (terminal, options, operand) => {
  if (operand !== undefined) return misused(terminal, 'No such command.')
  const limit = limitOf(terminal, options)
  if (limit === undefined) return 2
  return closing(terminal.desks.outbox, async (desk) => {
    const rows = await desk.list(limit + 1)
    sayRows(terminal, rows, limit, options.json === true ? (row) => JSON.stringify(row) : asLine)
    return 0
  })
}

const asLine = ({ putAsideAt, id, subject, msgId, reason }: PutAside): string =>
  [putAsideAt, id, subject, msgId, reason].join('  ')

/** What a bigint takes for sure. */
const ROW_ID = /^[1-9]\d{0,17}$/

const release: Command = async (terminal, options, id) => {
  const { reason = '', actor = terminal.user } = options
  if (id === undefined || !ROW_ID.test(id)) return misused(terminal, 'The id of an outbox row is missing.')
  if (reason.trim() === '') return misused(terminal, '--reason must say why: it is kept.')
  return closing(terminal.desks.outbox, async (desk) => {
    if (!(await desk.release(id, { reason, actor })))
      return failed(terminal, `No outbox row ${id} is put aside.`)
    terminal.audit.warn('outbox.released', { requestId: id, reason, actor })
    terminal.say(`released: ${id} is tried again at once\n`)
    return 0
  })
}

export const OUTBOX_COMMANDS: readonly (readonly [string, Command])[] = [
  ['outbox list', list],
  ['outbox release', release],
]

import { maskDigits } from '../platform/logger.ts'
import type { DeadMessage } from './desks.ts'
import { faultOf, UUID } from './message-filter.ts'
import { replayAll } from './replay-all.ts'
import { closing, failed, limitOf, misused, sayRows, type Command, type Terminal } from './terminal.ts'

/**
 * Messages that were given up, and issuing one again [T12]. The other dead letters, records that
 * nobody could read, are those of `deadletters`.
 */

const list: Command = async (terminal, options, operand) => {
  if (operand !== undefined) return misused(terminal, 'No such command.')
  const fault = faultOf(options)
  if (fault !== undefined) return misused(terminal, fault)
  const limit = limitOf(terminal, options)
  if (limit === undefined) return 2
  return closing(terminal.desks.deadMessages, async (desk) => {
    const { tenant: tenantId, message: messageId, cause: reason, open: isOpen = false } = options
    const rows = await desk.list({ tenantId, messageId, reason, isOpen, limit: limit + 1 })
    sayRows(terminal, rows, limit, options.json === true ? (row) => JSON.stringify(row) : asLine)
    return 0
  })
}

const asLine = (dead: DeadMessage): string =>
  [dead.failedAt, dead.deadLetterId, dead.messageId, dead.reason, stateOf(dead)].join('  ')

const stateOf = ({ finalStatus, replayedAt, replayedBy }: DeadMessage): string => {
  if (replayedAt !== null) return `replayed ${replayedAt} by ${replayedBy ?? ''}`
  if (finalStatus === null) return 'unreadable'
  return finalStatus === 'DEAD_LETTER' ? 'open' : 'final'
}

const show: Command = async (terminal, options, id) => {
  if (id === undefined || !UUID.test(id)) return misused(terminal, 'The id of a dead letter is missing.')
  return closing(terminal.desks.deadMessages, async (desk) => {
    const found = await desk.find(id)
    if (found === undefined) return failed(terminal, `There is no dead letter ${id}.`)
    terminal.say(`${asPage(found.message)}\n`)
    if (options.payload === true) terminal.say(`\n${JSON.stringify(found.payload, null, 2)}\n`)
    return 0
  })
}

/** Everything but the payload, which is personal data. */
const asPage = (dead: DeadMessage): string =>
  [
    ['dead letter', dead.deadLetterId],
    ['message', dead.messageId],
    ['tenant', dead.tenantId],
    ['account', dead.accountId],
    ['failed at', dead.failedAt],
    ['reason', `${dead.reason} (${maskDigits(dead.failureReason)})`],
    ['retries', String(dead.attemptCount)],
    ['state', stateOf(dead)],
  ]
    .map(([name = '', text = '']) => `${name.padEnd(12)} ${text}`)
    .join('\n')

const replay: Command = async (terminal, options, id) => {
  const { reason = '', actor = terminal.user, again = false, all = false } = options
  if (all && id === undefined) return replayAll(terminal, options)
  if (id === undefined || !UUID.test(id)) return misused(terminal, 'The id of a dead letter is missing.')
  if (reason.trim() === '') return misused(terminal, '--reason must say why: it is kept.')
  return closing(terminal.desks.deadMessages, async (desk) => {
    const done = await desk.replay(id, { reason, actor, again })
    if (done.kind === 'absent') return failed(terminal, `There is no dead letter ${id}.`)
    if (done.kind === 'refused') return failed(terminal, `Not replayed: ${done.refusal}.`)
    if (done.kind === 'already') return alreadyReplayed(terminal, done)
    const { messageId, seq } = done
    terminal.audit.warn('deadletter.replayed', { deadLetterId: id, messageId, reason, actor })
    terminal.say(`replayed: message ${messageId} goes on after seq ${seq}\n`)
    return 0
  })
}

/** What was asked for has been done, so this is a success: an order may be given twice. */
function alreadyReplayed(terminal: Terminal, { at, by }: { readonly at: string; readonly by: string }): 0 {
  terminal.say(`already replayed at ${at} by ${by}; --again issues the order once more, if it was lost\n`)
  return 0
}

export const MESSAGE_COMMANDS: readonly (readonly [string, Command])[] = [
  ['messages dead list', list],
  ['messages dead show', show],
  ['messages dead replay', replay],
]

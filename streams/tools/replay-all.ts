import type { DeadMessage, DeadMessageDesk, Replayed } from './desks.ts'
import { faultOf } from './message-filter.ts'
import { closing, limitOf, misused, type ExitCode, type Options, type Terminal } from './terminal.ts'

/**
 * In one call. What is replayed is no longer open, so the next call takes the next; a slip of the
 * hand costs no more than this.
 */
const REPLAYED_MAX = 1_000

/**
 * Replays every open dead letter that the options name [T12], each in a transaction of its own with
 * its own record of who wanted it: after a failure in the middle the command is given again. Until
 * `--apply` it only says what would become of each.
 */
export async function replayAll(terminal: Terminal, options: Options): Promise<ExitCode> {
  const { reason = '', actor = terminal.user, apply = false, again = false, message } = options
  const fault = faultOf(options)
  if (fault !== undefined) return misused(terminal, fault)
  if (again || message !== undefined)
    return misused(terminal, '--again and --message are for one dead letter.')
  if (apply && reason.trim() === '') return misused(terminal, '--reason must say why: it is kept.')
  const limit = limitOf(terminal, options)
  if (limit === undefined) return 2
  if (limit > REPLAYED_MAX) return misused(terminal, `--limit may be at most ${REPLAYED_MAX}.`)
  return closing(terminal.desks.deadMessages, (desk) =>
    replayEach(terminal, desk, options, { reason, actor, isTrial: !apply, limit }),
  )
}

interface Bulk {
  readonly reason: string
  readonly actor: string
  readonly isTrial: boolean
  readonly limit: number
}

async function replayEach(terminal: Terminal, desk: DeadMessageDesk, options: Options, bulk: Bulk) {
  const { tenant: tenantId, cause, since } = options
  const { reason, actor, isTrial, limit } = bulk
  const found = await desk.list({ tenantId, reason: cause, since, isOpen: true, limit: limit + 1 })
  const kinds: Replayed['kind'][] = []
  for (const dead of found.slice(0, limit)) {
    const done = await desk.replay(dead.deadLetterId, { reason, actor, again: false, isTrial })
    kinds.push(done.kind)
    terminal.say(`${dead.failedAt}  ${dead.deadLetterId}  ${dead.reason}  ${inWords(done, isTrial)}\n`)
    if (done.kind === 'issued' && !isTrial) audited(terminal, dead, bulk)
  }
  const issued = kinds.filter((kind) => kind === 'issued').length
  terminal.say(
    `${issued} of ${kinds.length} ${isTrial ? 'would be replayed; --apply does it' : 'replayed'}\n`,
  )
  if (found.length > limit) terminal.complain(`There are more than ${limit}: give the command again.\n`)
  return kinds.includes('refused') ? 1 : 0
}

const audited = ({ audit }: Terminal, { deadLetterId, messageId }: DeadMessage, { reason, actor }: Bulk) =>
  audit.warn('deadletter.replayed', { deadLetterId, messageId, reason, actor })

/** Somebody else may replay, and the retention delete, what was open a moment ago. */
function inWords(done: Replayed, isTrial: boolean): string {
  if (done.kind === 'issued') return isTrial ? 'would be replayed' : 'replayed'
  if (done.kind === 'refused') return `not replayed: ${done.refusal}`
  return done.kind === 'already' ? `already replayed at ${done.at} by ${done.by}` : 'is gone'
}

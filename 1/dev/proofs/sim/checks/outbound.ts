import {
  dispatchCommands,
  outboundDeadLetters,
  outboundRequests,
  outboundRetries,
  statusEvents,
} from '../../../../streams/contracts/outbound.ts'
import { aggregatedOutcomes } from '../../../../streams/contracts/outcomes.ts'
import { segmentFacts } from '../../../../streams/contracts/receipts.ts'
import { Journey } from '../journey.ts'
import { byKey, canonical, readings, sameTexts, type Complain, type Reading } from '../readings.ts'
import type { Accepted } from '../traffic.ts'
import type { World } from '../world.ts'

/** Of whom the log has lost something that nobody may have read. */
export interface Spared {
  isTouched(messageId: string): boolean
  /** Every request of it may be lost. */
  mayBeUnread(messageId: string): boolean
}

const NOBODY: Spared = { isTouched: () => false, mayBeUnread: () => false }

/**
 * [T1] to [T15] and [O1] to [O10], stated again: every message walks a legal path that its routing
 * explains, and each step of it is published exactly once.
 */
export function checkOutbound(
  world: World,
  accepted: ReadonlyMap<string, Accepted>,
  complain: Complain,
  losses: Spared = NOBODY,
): void {
  const requests = byKey(readings(world.log, outboundRequests))
  const topics = {
    statuses: byKey(readings(world.log, statusEvents)),
    retries: byKey(readings(world.log, outboundRetries)),
    deadLetters: byKey(readings(world.log, outboundDeadLetters)),
    facts: byKey(readings(world.log, segmentFacts).filter(({ value }) => value.kind === 'EXPECTED')),
    outcomes: byKey(readings(world.log, aggregatedOutcomes)),
  }
  const commands = new Map<string, string[]>()
  for (const { value } of readings(world.log, dispatchCommands))
    commands.set(value.messageId, [...(commands.get(value.messageId) ?? []), canonical(value)])
  const missing = [...accepted.keys()].filter((id) => losses.mayBeUnread(id) && !topics.statuses.has(id))
  const expected = [...accepted.keys()].filter((id) => !missing.includes(id))
  sameTexts(complain, 'messages with a status', expected, [...topics.statuses.keys()])
  for (const [messageId, message] of accepted) {
    const of = <V>(all: ReadonlyMap<string, readonly Reading<V>[]>): readonly V[] =>
      (all.get(messageId) ?? []).map(({ value }) => value)
    const journey = new Journey(message.request, requests.get(messageId) ?? [], of(topics.statuses))
    const say: Complain = (what) => complain(`message ${messageId}: ${what}`)
    journey.checkPath(say)
    const outcomes = of(topics.outcomes).map(({ status }) => status)
    if (!losses.isTouched(messageId)) checkEnd(world, message, journey, outcomes, say)
    sameTexts(say, 'retries', journey.retries(), of(topics.retries).map(canonical))
    sameTexts(say, 'dead letters', journey.deadLetters(), of(topics.deadLetters).map(canonical))
    sameTexts(say, 'commands', journey.commands(), commands.get(messageId) ?? [])
    sameTexts(say, 'expected facts', journey.facts(), of(topics.facts).map(canonical))
  }
}

/** SCHEDULED first, or not at all; then cancelled by somebody, or on its way. */
function checkEnd(
  world: World,
  message: Accepted,
  journey: Journey,
  outcomes: readonly string[],
  say: Complain,
): void {
  const isScheduled = message.request.sendAt !== undefined
  if ((journey.path[0] === 'SCHEDULED') !== isScheduled) say(`began as ${journey.path[0]}`)
  if (journey.path.at(-1) !== 'CANCELLED') return checkRouted(world, message, journey, outcomes, say)
  if (!message.cancelled || outcomes.length > 0) say('was cancelled by nobody, or has an outcome')
}

/** What a routing engine that answered like this must have led to. */
function checkRouted(
  world: World,
  { request, valid }: Accepted,
  journey: Journey,
  outcomes: readonly string[],
  say: Complain,
): void {
  const path = journey.path.filter((status) => status !== 'SCHEDULED')
  checkTries(world, request.messageId, path, say)
  const told = path.join(' ')
  if (!valid) {
    if (told !== 'QUEUED FAILED') say(`an invalid message went ${told}`)
    return
  }
  const script = world.routing.plans.get(request.messageId)?.script ?? 'unknown'
  if (path.includes('SENT')) return checkSent(path.at(-1), outcomes, script, say)
  if (outcomes.length > 0) say(`was never sent, and has the outcome ${outcomes.join(' ')}`)
  if (path.at(-1) === 'DEAD_LETTER') {
    if (journey.isOrdered(journey.path.length))
      say(`its dead letter at seq ${journey.path.length} was ordered to be replayed and was not`)
    return
  }
  const isRefused = script === 'absent' || script === 'refused'
  if (path.at(-1) !== 'FAILED' || !isRefused) say(`ended as ${told} although its route is ${script}`)
}

function checkSent(
  last: string | undefined,
  outcomes: readonly string[],
  script: string,
  say: Complain,
): void {
  const [outcome] = outcomes
  if (outcomes.length !== 1) say(`was sent and has ${outcomes.length} outcomes`)
  if (last !== outcome) say(`ended as ${last}, its outcome is ${outcome}`)
  if (script !== 'found') say(`was sent, but its route is ${script}`)
}

/** No retry and no dead letter without an answer that failed. */
function checkTries(world: World, messageId: string, path: readonly string[], say: Complain): void {
  const isFailure = (status: string, index: number): boolean =>
    status === 'DEAD_LETTER' || (status === 'ROUTING' && path[index - 1] === 'ROUTING')
  const failed = path.filter(isFailure).length
  const answered = world.routing.failures.get(messageId) ?? 0
  if (failed > answered) say(`${failed} failed lookups, but only ${answered} were answered so`)
}

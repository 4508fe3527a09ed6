import { setTimeout as later } from 'node:timers'
import type { Account } from './account.ts'
import type { ShortMessage } from './bodies.ts'
import type { Counters } from './counters.ts'
import { inspect, type Violation } from './inspect.ts'
import type { Journal } from './journal.ts'
import type { Timing } from './options.ts'
import { STATUS } from './pdu.ts'
import { planFor, type Plan, type Reply } from './plan.ts'
import { renderReceipt, type Taken } from './receipts.ts'
import { scenarioFor, type ReceiptStep, type Scenario } from './script.ts'
import { Answers, Assembler, SeenSegments, type Seen } from './concatenation.ts'
import { decodeText, readUserData, type UserData } from './text.ts'

export interface CentreOptions {
  readonly now: () => number
  readonly random: () => number
  readonly timing: Timing
  readonly counters: Counters
  readonly journal: Journal
}

/** What the session has to do with a submit_sm. */
export interface Verdict {
  readonly reply: Reply
  readonly messageId: string
}

interface Segment {
  readonly account: Account
  readonly session: number
  readonly message: ShortMessage
  readonly userData: UserData
  readonly text: string
}

const REGISTERED = 0x03

/**
 * The message centre behind all sessions: it inspects, takes or refuses segments, records them and
 * plans their receipts.
 */
export class Centre {
  readonly #options: CentreOptions
  readonly #seen = new SeenSegments()
  readonly #assembler = new Assembler()
  readonly #answers = new Answers()
  #lastId: bigint

  constructor(options: CentreOptions) {
    this.#options = options
    // Milliseconds times a million: an id is never used again after a restart, and fits 64 bits as
    // real ones do.
    this.#lastId = BigInt(options.now()) * 1_000_000n
  }

  /**
   * Decides one submit_sm; a `with-response` receipt is handed to the account before this returns.
   */
  submit(account: Account, session: number, message: ShortMessage): Verdict {
    const { counters } = this.#options
    counters.submits += 1
    if (!account.admits()) {
      counters.throttled += 1
      return refusal(STATUS.RTHROTTLED)
    }
    if (account.settings.submitStatus !== 0) {
      counters.refused += 1
      return refusal(account.settings.submitStatus)
    }
    const userData = readUserData(message)
    const violation = userData === undefined ? UNREADABLE : inspect(message, userData)
    if (userData === undefined || violation !== undefined)
      return this.#refuseViolation(account, session, violation ?? UNREADABLE)
    const text = decodeText(userData.octets, message.dataCoding)
    return this.#decide({ account, session, message, userData, text })
  }

  sessionEnded(session: number): void {
    this.#answers.sessionEnded(session, this.#options.now())
  }

  #refuseViolation(account: Account, session: number, { status, rule }: Violation): Verdict {
    this.#options.counters.violations += 1
    const { systemId } = account.settings
    this.#options.journal.record({ kind: 'fault', systemId, session, rule, status })
    return refusal(status)
  }

  #decide(segment: Segment): Verdict {
    const { message, userData, text } = segment
    const scenario = scenarioFor(message.destination.text)
    const seen = this.#seen.arrive(message.destination.text, userData.concatenation, text)
    const plan = planFor(scenario, {
      index: userData.concatenation?.index ?? 1,
      total: userData.concatenation?.total ?? 1,
      tries: seen.tries,
      wantsReceipt: (message.registeredDelivery & REGISTERED) !== 0,
    })
    const messageId = plan.isTaken ? this.#nextId(scenario) : ''
    this.#recordSubmit(segment, scenario, seen, plan, messageId)
    if (plan.isTaken) this.#take(segment, seen, plan, messageId)
    else if (plan.reply.kind === 'respond') this.#options.counters.refused += 1
    return { reply: plan.reply, messageId }
  }

  #take(segment: Segment, seen: Seen, plan: Plan, messageId: string): void {
    const { counters } = this.#options
    counters.taken += 1
    if (seen.taken > 0) counters.duplicates += 1
    if (seen.taken > 0 && this.#answers.hasArrived(seen)) counters.duplicatesAfterAnswer += 1
    if (seen.taken === 0) this.#assemble(segment)
    seen.taken += 1
    const { source, destination } = segment.message
    const takenAtMs = this.#options.now()
    const isAnswered = plan.reply.kind === 'respond' && plan.reply.withId
    const atMs = takenAtMs + segment.account.settings.responseDelayMs
    seen.answer = isAnswered ? { session: segment.session, atMs } : undefined
    if (!isAnswered) counters.unanswered += 1
    const taken = { messageId, source, destination, text: segment.text, takenAtMs }
    for (const step of plan.receipts) this.#planReceipt(segment.account, step, taken)
  }

  #assemble({ account, message, userData, text }: Segment): void {
    const destination = message.destination.text
    const whole = this.#assembler.add(destination, userData.concatenation, text)
    if (whole === undefined) return
    this.#options.counters.messages += 1
    this.#options.journal.record({
      kind: 'message',
      systemId: account.settings.systemId,
      destination,
      reference: userData.concatenation?.reference ?? null,
      total: userData.concatenation?.total ?? 1,
      text: whole,
    })
  }

  #planReceipt(account: Account, step: ReceiptStep, taken: Taken): void {
    const { counters, now } = this.#options
    counters.receiptsPlanned += 1
    const pending = { render: () => renderReceipt(step, taken, now()), tries: 0 }
    if (step.when === 'with-response') account.enqueue(pending)
    else later(() => account.enqueue(pending), this.#waitMs(step)).unref()
  }

  #waitMs({ when }: ReceiptStep): number {
    const { timing, random } = this.#options
    const { min, max } = timing.receiptDelayMs
    const firstMs = min + random() * (max - min)
    if (when === 'slow') return timing.slowReceiptMs
    if (when === 'next-minute') return timing.nextMinuteMs + firstMs
    // A later receipt starts where the latest earlier one can end, so that the order of the script
    // is the order on the wire.
    if (when === 'second') return max + 1 + firstMs
    return when === 'third' ? 2 * (max + 1) + firstMs : firstMs
  }

  #nextId({ ids }: Scenario): string {
    this.#lastId += 1n
    return ids === 'hex' ? this.#lastId.toString(16) : this.#lastId.toString()
  }

  #recordSubmit(segment: Segment, scenario: Scenario, seen: Seen, plan: Plan, messageId: string): void {
    const { message, userData } = segment
    this.#options.journal.record({
      kind: 'submit',
      systemId: segment.account.settings.systemId,
      session: segment.session,
      source: message.source.text,
      destination: message.destination.text,
      reference: userData.concatenation?.reference ?? null,
      index: userData.concatenation?.index ?? 1,
      total: userData.concatenation?.total ?? 1,
      text: segment.text,
      esmClass: message.esmClass,
      dataCoding: message.dataCoding,
      registeredDelivery: message.registeredDelivery,
      validityPeriod: message.validityPeriod,
      scenario: scenario.name,
      tries: seen.tries,
      taken: plan.isTaken,
      duplicate: plan.isTaken && seen.taken > 0,
      reply: plan.reply.kind,
      status: plan.reply.kind === 'respond' ? plan.reply.status : null,
      messageId: messageId === '' ? null : messageId,
    })
  }
}

const UNREADABLE: Violation = { status: STATUS.RINVESMCLASS, rule: 'user data header cannot be read' }

const refusal = (status: number): Verdict => ({
  reply: { kind: 'respond', status, withId: false, nack: false },
  messageId: '',
})

import type { DispatchCommand, SubmitResult } from '../../../streams/contracts/outbound.ts'
import type { Dice } from './dice.ts'
import { eventId, instant, MINUTE_MS, operatorOf } from './checks/ids.ts'
import type { Sender } from './sender.ts'
import { RECEIPTS } from './traffic.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface OperatorsOptions {
  readonly dice: Dice
  readonly time: VirtualTime
  readonly sender: Sender
}

/** What becomes of an accepted segment. */
const FATES = {
  DELIVRD: 56,
  UNDELIV: 6,
  EXPIRED: 4,
  REJECTD: 3,
  DELETED: 3,
  'ACCEPTD DELIVRD': 8,
  ENROUTE: 3,
  'DELIVRD UNDELIV': 5,
  silent: 5,
  late: 7,
} as const

/** By which ids an operator reports on a segment, and from which number. */
interface Subject {
  readonly operatorId: string
  readonly operatorMessageId: string
  readonly alternateIds?: string[]
  readonly to?: string
}

interface Receiving extends Subject {
  readonly stat: string
  readonly receivedMs: number
  readonly bufferedMs: number
}

export interface Submitted {
  readonly result: SubmitResult
  /** When the operator answers. */
  readonly delayMs: number
}

/** The operators: they take each segment, and report on it in all the ways that operators have. */
export class Operators {
  readonly #options: OperatorsOptions
  /** How often each segment was submitted, by `messageId index`. */
  readonly submitted = new Map<string, number>()
  /** Receipts that come only after the grace of their message. */
  readonly #late: (() => void)[] = []
  #count = 0
  /** What an operator may give out again. */
  readonly #given = new Map<string, { readonly id: string; readonly messageId: string }[]>()

  constructor(options: OperatorsOptions) {
    this.#options = options
  }

  /** Time has passed: what was held back comes now. */
  release(): void {
    for (const send of this.#late.splice(0)) send()
  }

  submit(command: DispatchCommand, index: number, parts: number): Submitted {
    const { dice } = this.#options
    const segment = `${command.messageId} ${index}`
    this.submitted.set(segment, (this.submitted.get(segment) ?? 0) + 1)
    this.#count += 1
    const outcome = dice.weighted({ ACCEPTED: 88, REJECTED: 8, EXPIRED: 4 })
    const delayMs = dice.int(5, 2500)
    const ids = this.#idsOf(command)
    if (outcome === 'ACCEPTED' && this.#reportsOn(command, index))
      this.#report(this.#subjectOf(command, ids.receipt), delayMs)
    if (index === 1 && dice.chance(0.06)) this.#orphan(command.operatorId)
    const given = { index, parts, outcome, delayMs, operatorMessageId: ids.submit }
    return { result: this.#result(command, given), delayMs }
  }

  #result(
    command: DispatchCommand,
    given: {
      readonly index: number
      readonly parts: number
      readonly outcome: SubmitResult['outcome']
      readonly delayMs: number
      readonly operatorMessageId: string
    },
  ): SubmitResult {
    const { time } = this.#options
    const { index, parts, outcome, delayMs, operatorMessageId } = given
    const {
      messageId,
      tenantId,
      accountId,
      operatorId,
      to,
      enqueuedAt,
      segmentCount,
      callbackUrl,
      metadata,
    } = command
    const submittedAt = instant(time.wallMs + delayMs)
    const given_id = outcome === 'ACCEPTED' ? operatorMessageId : ''
    return {
      schemaVersion: '1.0',
      eventId: eventId('submit', messageId, index, operatorId, outcome, given_id),
      occurredAt: submittedAt,
      messageId,
      tenantId,
      accountId,
      operatorId,
      segmentIndex: index,
      totalSegments: parts,
      outcome,
      ...(outcome === 'ACCEPTED' && { operatorMessageId }),
      commandStatus: outcome === 'REJECTED' ? 11 : 0,
      submittedAt,
      to,
      enqueuedAt,
      segmentCount,
      ...(callbackUrl !== undefined && { callbackUrl }),
      ...(metadata !== undefined && { metadata }),
    }
  }

  /** Receipts start up to 2 s before the answer to the submission has arrived. */
  #report(subject: Subject, resultDelayMs: number): void {
    const { dice, time } = this.#options
    const fate = dice.weighted(FATES)
    if (fate === 'silent') return
    if (fate === 'late') {
      const bufferedMs = dice.pick([1000, 600_000])
      this.#late.push(() =>
        this.#receive({
          ...subject,
          stat: 'DELIVRD',
          receivedMs: time.wallMs,
          bufferedMs,
        }),
      )
      return
    }
    let atMs = Math.max(1, resultDelayMs + dice.int(-2000, 6000))
    for (const stat of fate.split(' ')) {
      this.#receive({ ...subject, stat, receivedMs: time.wallMs + atMs, bufferedMs: 1000 }, atMs)
      atMs += dice.int(1, 4000)
    }
    const [stat = 'DELIVRD'] = fate.split(' ')
    const bufferedMs = dice.pick([1000, 600_000])
    if (dice.chance(0.06))
      this.#late.push(() =>
        this.#receive({
          ...subject,
          stat: dice.pick([stat, 'UNDELIV']),
          receivedMs: time.wallMs,
          bufferedMs,
        }),
      )
  }

  /**
   * One receipt, which may come again: the same event, the same statement in its minute, or a
   * minute later.
   */
  #receive(receiving: Receiving, delayMs = 0): void {
    const { dice, sender } = this.#options
    const send = (receivedMs: number, waitMs: number): void =>
      sender.after(waitMs, { topic: RECEIPTS, value: this.#receipt({ ...receiving, receivedMs }) })
    const { receivedMs } = receiving
    send(receivedMs, delayMs)
    if (dice.chance(0.1)) send(receivedMs, delayMs + dice.int(0, 3000))
    if (dice.chance(0.08))
      send(Math.floor(receivedMs / MINUTE_MS) * MINUTE_MS + dice.int(0, 59_999), delayMs + dice.int(0, 3000))
    if (dice.chance(0.08)) send(receivedMs + MINUTE_MS, delayMs + dice.int(0, 3000))
  }

  #receipt(receiving: Receiving) {
    const { operatorId, operatorMessageId, alternateIds, to, stat, receivedMs, bufferedMs } = receiving
    const receivedAt = instant(receivedMs)
    return {
      schemaVersion: '1.0',
      eventId: eventId('dlr', operatorId, operatorMessageId, stat, receivedAt),
      occurredAt: receivedAt,
      operatorId,
      operatorMessageId,
      ...(alternateIds !== undefined && { alternateIds }),
      ...(to !== undefined && { destAddr: to }),
      stat: this.#options.dice.chance(0.1) ? ` ${stat.toLowerCase()}` : stat,
      errorCode: stat === 'DELIVRD' ? '000' : '099',
      deliveredAt: this.#options.dice.chance(0.1) ? null : instant(receivedMs - bufferedMs),
      receivedAt,
    }
  }

  #orphan(operatorId: string): void {
    const { dice, time } = this.#options
    const operatorMessageId = `404${dice.int(1e6, 1e7)}`
    const delayMs = dice.int(1, 3000)
    this.#receive(
      { operatorId, operatorMessageId, stat: 'DELIVRD', receivedMs: time.wallMs + delayMs, bufferedMs: 1000 },
      delayMs,
    )
  }

  /** Even one that reports on the first segment only may do otherwise. */
  #reportsOn({ operatorId }: DispatchCommand, index: number): boolean {
    const isMeant = operatorOf(operatorId).reports === 'all' || index === 1
    return isMeant || this.#options.dice.chance(0.2)
  }

  /** Some receipts say nothing of the number, or a wrong one. */
  #subjectOf({ operatorId, to }: DispatchCommand, operatorMessageId: string): Subject {
    const { dice } = this.#options
    const number = dice.weighted({ own: 80, none: 15, foreign: 5 })
    const subject = { operatorId, ...(number !== 'none' && { to: number === 'own' ? to : '+15550001111' }) }
    if (operatorOf(operatorId).carries === 'one') return { ...subject, operatorMessageId }
    const other = `T-${operatorMessageId}`
    return dice.chance(0.5)
      ? { ...subject, operatorMessageId, alternateIds: [other] }
      : { ...subject, operatorMessageId: other, alternateIds: [operatorMessageId] }
  }

  /** The id as the submit response and as the receipt write it. */
  #idsOf({ operatorId, messageId }: DispatchCommand): { readonly submit: string; readonly receipt: string } {
    const { ids, reuses } = operatorOf(operatorId)
    if (ids === 'hex2dec') {
      const id = 0xabc000 + this.#count
      return { submit: id.toString(16).padStart(8, '0'), receipt: String(id) }
    }
    const given = this.#given.get(operatorId) ?? []
    const others = given.filter((one) => one.messageId !== messageId)
    const isReused = reuses && others.length > 0 && this.#options.dice.chance(0.1)
    const id = isReused ? this.#options.dice.pick(others).id : `OP-${this.#count}`
    this.#given.set(operatorId, [...given, { id, messageId }])
    return { submit: id, receipt: id }
  }
}

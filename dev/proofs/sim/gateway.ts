import {
  DispatchCommand,
  OutboundDeadLetter,
  type SubmitResult,
} from '../../../streams/contracts/outbound.ts'
import { isReplayed, type LogClient, type LogRecord } from '../../../streams/log/port.ts'
import type { Dice } from './dice.ts'
import { eventId, instant, MINUTE_MS, operatorOf } from './checks/ids.ts'
import type { Routing } from './routing.ts'
import type { Sender } from './sender.ts'
import { RECEIPTS, REQUESTS, RESULTS } from './traffic.ts'
import type { VirtualTime } from './virtual-time.ts'

export const COMMANDS = 'smpp.operator'
export const DEAD_LETTERS = 'sms.outbound.deadletter'

export interface GatewayOptions {
  readonly dice: Dice
  readonly time: VirtualTime
  readonly sender: Sender
  readonly routing: Routing
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

interface Receiving {
  readonly operatorId: string
  readonly operatorMessageId: string
  readonly stat: string
  readonly receivedMs: number
  readonly bufferedMs: number
}

/**
 * Gateway and operators in one: answers each command once, and reports on each segment in all the
 * ways that operators have.
 */
export class Gateway {
  readonly #options: GatewayOptions
  readonly #taken = new Set<string>()
  /** Receipts that come only after the grace of their message. */
  readonly #late: (() => void)[] = []
  #submitted = 0

  constructor(options: GatewayOptions) {
    this.#options = options
  }

  async listen(client: LogClient): Promise<void> {
    const consumer = client.consumer({
      group: 'simulated-gateway',
      topics: [COMMANDS, DEAD_LETTERS],
      onAssigned: (held) => {
        for (const at of held) consumer.seek(at, 0)
        consumer.resume(held)
      },
      onRecords: (_, records) => {
        for (const record of records) this.#take(record)
      },
      onFailed: (error) => {
        throw error
      },
    })
    await consumer.start()
  }

  /** Time has passed: what was held back comes now. */
  release(): void {
    for (const send of this.#late.splice(0)) send()
  }

  #take(record: LogRecord): void {
    // [P4]: the bridge publishes nothing that a replay has repeated.
    if (isReplayed(record.headers)) return
    const value: unknown = JSON.parse(record.value?.toString('utf8') ?? 'null')
    if (record.topic === DEAD_LETTERS) return this.#repair(OutboundDeadLetter.parse(value))
    const command = DispatchCommand.parse(value)
    if (this.#taken.has(command.eventId)) return
    this.#taken.add(command.eventId)
    this.#submit(command)
  }

  /**
   * An operator of the platform replays a dead letter [T12], sometimes after mending its cause,
   * sometimes twice.
   */
  #repair(dead: OutboundDeadLetter): void {
    const { dice, routing, sender } = this.#options
    const plan = routing.plans.get(dead.messageId)
    if (dead.finalStatus !== 'DEAD_LETTER' || plan === undefined || !dice.chance(0.5)) return
    if (dice.chance(0.7)) plan.script = 'found'
    const {
      attemptCount: _,
      reason: _r,
      failureReason: _f,
      finalStatus: _s,
      seq,
      failedAt: _a,
      ...request
    } = dead
    const headers = { 'dead-letter-replay': `${dead.eventId}:${seq}` }
    const value = { ...request, eventId: eventId('request', dead.messageId) }
    const sending = { topic: REQUESTS, key: dead.messageId, value, headers }
    sender.after(dice.int(0, 2000), sending)
    if (dice.chance(0.3)) sender.after(dice.int(0, 3000), sending)
  }

  #submit(command: DispatchCommand): void {
    const { dice } = this.#options
    const parts = operatorOf(command.operatorId).wire === 'TLV' ? 1 : command.segmentCount
    for (let index = 1; index <= parts; index += 1) {
      const outcome = dice.weighted({ ACCEPTED: 88, REJECTED: 8, EXPIRED: 4 })
      const delayMs = dice.int(5, 2500)
      this.#submitted += 1
      const ids = idsOf(command, this.#submitted)
      this.#result(command, { index, parts, outcome, delayMs, operatorMessageId: ids.submit })
      if (outcome === 'ACCEPTED') this.#report(command.operatorId, ids.receipt, delayMs)
    }
    if (dice.chance(0.06)) this.#orphan(command.operatorId)
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
  ): void {
    const { dice, time, sender } = this.#options
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
    const result: SubmitResult = {
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
    const sending = { topic: RESULTS, key: messageId, value: result }
    sender.after(delayMs, sending)
    if (dice.chance(0.12)) sender.after(delayMs + dice.int(0, 4000), sending)
  }

  /** Receipts start up to 2 s before the answer to the submission has arrived. */
  #report(operatorId: string, operatorMessageId: string, resultDelayMs: number): void {
    const { dice, time } = this.#options
    const fate = dice.weighted(FATES)
    if (fate === 'silent') return
    if (fate === 'late') {
      const bufferedMs = dice.pick([1000, 600_000])
      this.#late.push(() =>
        this.#receive({
          operatorId,
          operatorMessageId,
          stat: 'DELIVRD',
          receivedMs: time.wallMs,
          bufferedMs,
        }),
      )
      return
    }
    let atMs = Math.max(1, resultDelayMs + dice.int(-2000, 6000))
    for (const stat of fate.split(' ')) {
      this.#receive(
        { operatorId, operatorMessageId, stat, receivedMs: time.wallMs + atMs, bufferedMs: 1000 },
        atMs,
      )
      atMs += dice.int(1, 4000)
    }
    const [stat = 'DELIVRD'] = fate.split(' ')
    const bufferedMs = dice.pick([1000, 600_000])
    if (dice.chance(0.06))
      this.#late.push(() =>
        this.#receive({
          operatorId,
          operatorMessageId,
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
      sender.after(waitMs, {
        topic: RECEIPTS,
        key: `${receiving.operatorId}:${receiving.operatorMessageId}`,
        value: this.#receipt({ ...receiving, receivedMs }),
      })
    const { receivedMs } = receiving
    send(receivedMs, delayMs)
    if (dice.chance(0.1)) send(receivedMs, delayMs + dice.int(0, 3000))
    if (dice.chance(0.08))
      send(Math.floor(receivedMs / MINUTE_MS) * MINUTE_MS + dice.int(0, 59_999), delayMs + dice.int(0, 3000))
    if (dice.chance(0.08)) send(receivedMs + MINUTE_MS, delayMs + dice.int(0, 3000))
  }

  #receipt({ operatorId, operatorMessageId, stat, receivedMs, bufferedMs }: Receiving) {
    const receivedAt = instant(receivedMs)
    return {
      schemaVersion: '1.0',
      eventId: eventId('dlr', operatorId, operatorMessageId, stat, receivedAt),
      occurredAt: receivedAt,
      operatorId,
      operatorMessageId,
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
}

/** The id as the submit response and as the receipt write it. */
function idsOf(command: DispatchCommand, n: number): { readonly submit: string; readonly receipt: string } {
  if (operatorOf(command.operatorId).ids === 'exact') return { submit: `OP-${n}`, receipt: `OP-${n}` }
  const id = 0xabc000 + n
  return { submit: id.toString(16).padStart(8, '0'), receipt: String(id) }
}

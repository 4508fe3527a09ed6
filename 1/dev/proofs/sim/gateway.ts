import {
  DispatchCommand,
  OutboundDeadLetter,
  type SubmitResult,
} from '../../../streams/contracts/outbound.ts'
import { commandDurable, commandSubject } from '../../../streams/contracts/subjects.ts'
import type { Delivered } from '../../../bridges/nats/inbound/durable-reader.ts'
import type { Dice } from './dice.ts'
import { eventId, OPERATORS, operatorOf } from './checks/ids.ts'
import type { Durable } from './durable.ts'
import type { History } from './history.ts'
import { Journal, type Progress } from './journal.ts'
import { Life } from './life.ts'
import type { SimNats } from './nats.ts'
import { Operators } from './operators.ts'
import type { GatewayPlant } from './process.ts'
import type { Routing } from './routing.ts'
import type { Sender } from './sender.ts'
import { REQUESTS, RESULTS } from './traffic.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface GatewayOptions {
  readonly dice: Dice
  readonly time: VirtualTime
  readonly sender: Sender
  readonly nats: SimNats
  readonly routing: Routing
  readonly history: History
  readonly schedule: (task: () => void) => void
  readonly plant: GatewayPlant
}

const ACK_WAIT_MS = 15_000
const PENDING_MAX = 40
const RETRY_MS = 100

/**
 * The gateway, which a crash may interrupt between any two of its steps, with its journal in Redis;
 * and the person who replays dead letters. A segment whose answer a crash has swallowed is in doubt
 * and sent again [S9].
 */
export class Gateway {
  readonly operators: Operators
  /** Segments that may have been sent although nobody remembers it. */
  readonly doubts = new Set<string>()
  readonly #options: GatewayOptions
  readonly #journal: Journal
  readonly #commands: readonly Durable[]
  #life: Life
  /** Commands that this process works on or has done, with their newest delivery. */
  readonly #inWork = new Map<string, { command: DispatchCommand; delivery: Delivered }>()
  /** Dead letters that the person has seen. */
  readonly #repaired = new Set<string>()
  /** As the journal in memory [S4]: lost with the process, and not with Redis. */
  readonly #known = new Map<string, Progress>()

  constructor(options: GatewayOptions) {
    this.#options = options
    this.operators = new Operators(options)
    this.#journal = new Journal(options.time)
    this.#life = new Life(options.time)
    const shared = { ackWaitMs: ACK_WAIT_MS, maxAckPending: PENDING_MAX }
    this.#commands = OPERATORS.map(({ operatorId }) =>
      options.nats.durable('SMPP_OUTBOUND', {
        ...shared,
        name: commandDurable(operatorId),
        subjects: [commandSubject(operatorId)],
      }),
    )
    this.#start()
    const dead = { ...shared, name: 'replay', subjects: ['sms.outbound.deadletter'] }
    const life = new Life(options.time)
    options.nats.durable('SMS_DLQ', dead).attach({ life, deliver: (message) => this.#repair(message) })
  }

  get durables(): readonly Durable[] {
    return this.#commands
  }

  /** Nothing is acknowledged, and what was on its way is in doubt unless the journal knows it. */
  crash(): string | null {
    if (this.#life.isOver) return null
    this.#life.end()
    for (const { command } of this.#inWork.values()) this.#doubt(command)
    this.#inWork.clear()
    this.#known.clear()
    this.#options.time.after(this.#options.dice.int(50, 4000), () => this.#start())
    return ''
  }

  /** What NATS has not heard of may come again, and then nobody knows whether it was sent. */
  loseJournal(): string {
    this.#journal.lose()
    for (const durable of this.#commands)
      for (const { data } of durable.unsettled) this.#doubt(commandIn(data))
    return ''
  }

  /**
   * Made again from its mark, which is where all before it was acknowledged. What lies above and
   * was acknowledged comes again: the journal knows it, and without it nobody does.
   */
  loseDurable(durable: Durable): void {
    const { floor } = durable
    durable.lose(floor)
    const above = durable.stream.messages.slice(floor)
    for (const { data, subject } of above)
      if (durable.subjects.includes(subject)) this.#doubt(commandIn(data))
  }

  /** Time has passed: what operators have held back comes now. */
  release(): void {
    this.operators.release()
  }

  #start(): void {
    const life = new Life(this.#options.time)
    this.#life = life
    for (const durable of this.#commands)
      durable.attach({ life, deliver: (message) => this.#take(message, life) })
  }

  #doubt(command: DispatchCommand): void {
    for (let index = 1; index <= partsOf(command); index += 1) {
      const segment = `${command.messageId} ${index}`
      const state = this.#journal.read(segment)?.state
      if (this.operators.submitted.has(segment) && (state === undefined || state === 'submitting'))
        this.doubts.add(segment)
    }
  }

  #take(delivery: Delivered, life: Life): void {
    // [P4]: the bridge publishes nothing that a replay has repeated.
    if (delivery.headers?.has('Replayed') === true)
      this.#options.history.violation(`a command was published from a replay: ${delivery.seq}`)
    const command = commandIn(delivery.data)
    const working = this.#inWork.get(command.eventId)
    if (working !== undefined) {
      working.delivery = delivery
      return
    }
    this.#inWork.set(command.eventId, { command, delivery })
    if (this.#options.plant.acknowledgesFirst === true) delivery.ack()
    void this.#work(command, life)
  }

  async #work(command: DispatchCommand, life: Life): Promise<void> {
    const parts = partsOf(command)
    const all = Array.from({ length: parts }, (_, index) => this.#segment(command, index + 1, parts, life))
    await Promise.all(all)
    if (life.isOver) return
    this.#inWork.get(command.eventId)?.delivery.ack()
    this.#inWork.delete(command.eventId)
  }

  async #segment(command: DispatchCommand, index: number, parts: number, life: Life): Promise<void> {
    const segment = `${command.messageId} ${index}`
    await this.#turn(life)
    const progress = this.#known.get(segment) ?? this.#read(segment)
    if (progress?.state === 'published') return
    const result =
      progress?.state === 'result'
        ? progress.result
        : await this.#submit(command, segment, { index, parts, life })
    await this.#publish(result, life)
    await this.#note(segment, { state: 'published', result }, life)
  }

  #read(segment: string): Progress | undefined {
    return this.#options.plant.forgetsJournal === true ? undefined : this.#journal.read(segment)
  }

  async #submit(
    command: DispatchCommand,
    segment: string,
    { index, parts, life }: { index: number; parts: number; life: Life },
  ): Promise<SubmitResult> {
    await this.#note(segment, { state: 'submitting' }, life)
    const { result, delayMs } = this.operators.submit(command, index, parts)
    await life.sleep(delayMs)
    await this.#note(segment, { state: 'result', result }, life)
    return result
  }

  async #note(segment: string, progress: Progress, life: Life): Promise<void> {
    this.#known.set(segment, progress)
    this.#journal.write(segment, progress)
    await this.#turn(life)
  }

  /** Once, and sometimes once more under no name. */
  async #publish(result: SubmitResult, life: Life): Promise<void> {
    const { nats, dice, sender } = this.#options
    const data = Buffer.from(JSON.stringify(result))
    const message = { subject: RESULTS, id: `${RESULTS}:${result.eventId}`, data }
    if (dice.chance(0.12)) sender.after(dice.int(0, 4000), { topic: RESULTS, value: result })
    for (;;) {
      try {
        await nats.publish('SMPP_EVENTS', message, life)
        return
      } catch {
        // Nothing is known of it: again, under the same id.
        await life.sleep(RETRY_MS)
      }
    }
  }

  #turn(life: Life): Promise<void> {
    return new Promise((resolve) => this.#options.schedule(() => life.run(resolve)))
  }

  /**
   * An operator of the platform replays a dead letter [T12], sometimes after mending its cause,
   * sometimes twice.
   */
  #repair(message: Delivered): void {
    message.ack()
    if (message.headers?.has('Replayed') === true) return
    const { dice, routing, sender } = this.#options
    const dead = OutboundDeadLetter.parse(JSON.parse(Buffer.from(message.data).toString('utf8')))
    // A neighbour knows an event again by its id.
    if (this.#repaired.has(dead.eventId)) return
    this.#repaired.add(dead.eventId)
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
    const sending = {
      topic: REQUESTS,
      value: { ...request, eventId: eventId('request', dead.messageId) },
      headers,
    }
    sender.after(dice.int(0, 2000), sending)
    if (dice.chance(0.3)) sender.after(dice.int(0, 3000), sending)
  }
}

const commandIn = (data: Uint8Array): DispatchCommand =>
  DispatchCommand.parse(JSON.parse(Buffer.from(data).toString('utf8')))

/** An operator that takes a message whole has one part of it. */
const partsOf = ({ operatorId, segmentCount }: DispatchCommand): number =>
  operatorOf(operatorId).wire === 'TLV' ? 1 : segmentCount

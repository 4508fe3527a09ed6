import { LogError } from '../port.ts'
import type { LogWriter, OutRecord, Written } from '../port.ts'
import { planInSlices } from './writing/batches.ts'
import type { Round } from './writing/batches.ts'
import { remedyFor } from './cluster/broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './cluster/clock.ts'
import type { Brokers } from './cluster/cluster.ts'
import { BrokerError } from './cluster/broker-error.ts'
import { Landed } from './writing/landed.ts'
import type { Lane } from './wire/broker-connections.ts'
import { outcomeOf, unknownUnlessFenced } from './cluster/outcome.ts'
import { Producer } from './writing/producer.ts'
import { initProducerId } from './codecs/producer-id-request.ts'

/** A call of `write` that waits for its turn. */
interface Pending {
  readonly records: readonly OutRecord[]
  readonly bytes: number
  /** It was in a turn that failed, perhaps for the sake of another call. */
  readonly isAlone: boolean
  resolve(written: Written): void
  reject(error: unknown): void
}

/** Records that go together at most: beyond them calls wait for the next turn. */
const TURN_RECORDS_MAX = 20_000

/**
 * Calls that would make more wait are refused: the broker does not keep up. A call by itself may be
 * larger.
 */
const WAITING_RECORDS_MAX = 500_000
const WAITING_BYTES_MAX = 256 * 1024 * 1024

const WRITE_WITHIN_MS = 30_000

/** Without transactions nothing can time out, but brokers want a number. */
const NO_TRANSACTION_MS = 60_000

const NOTHING: Written = new Map()

/**
 * Calls that come while a write is under way go together in the next one: order is kept, one write
 * is under way at a time, and batches grow with the load.
 */
export class KafkaWriter implements LogWriter {
  readonly #cluster: Brokers
  readonly #lane: Lane
  #waiting: Pending[] = []
  #waitingRecords = 0
  #waitingBytes = 0
  #running: Promise<void> | null = null
  #producer: Producer | null = null
  #closed = false

  constructor(cluster: Brokers, lane: Lane) {
    this.#cluster = cluster
    this.#lane = lane
  }

  write(records: readonly OutRecord[]): Promise<Written> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new LogError('fatal', 'the writer is closed'))
      if (records.length === 0) return resolve(NOTHING)
      if (this.#waitingRecords + records.length > WAITING_RECORDS_MAX)
        return reject(new LogError('retriable', `${this.#waitingRecords} records wait to be written`))
      const bytes = bytesOf(records)
      if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > WAITING_BYTES_MAX)
        return reject(new LogError('retriable', `${this.#waitingBytes} bytes wait to be written`))
      this.#waiting.push({ records, bytes, isAlone: false, resolve, reject })
      this.#waitingRecords += records.length
      this.#waitingBytes += bytes
      this.#running ??= this.#run()
    })
  }

  /** Waits for what has been handed over. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    // Calls of the same tick go together.
    await Promise.resolve()
    while (this.#waiting.length > 0) await this.#turn(this.#takeTurn())
    this.#running = null
  }

  #takeTurn(): readonly Pending[] {
    let [taken, records] = [0, 0]
    for (const pending of this.#waiting) {
      if (taken > 0 && (pending.isAlone || records + pending.records.length > TURN_RECORDS_MAX)) break
      taken += 1
      records += pending.records.length
      if (pending.isAlone) break
    }
    this.#waitingRecords -= records
    const turn = this.#waiting.splice(0, taken)
    for (const { bytes } of turn) this.#waitingBytes -= bytes
    return turn
  }

  async #turn(calls: readonly Pending[]): Promise<void> {
    const landed = new Landed()
    try {
      const rounds = await planInSlices(calls.flatMap(({ records }) => records))
      await this.#write(rounds, landed)
      for (const call of calls) call.resolve(landed.take(call.records).written)
    } catch (error) {
      this.#settle(calls, landed, error)
    }
  }

  /**
   * One call's fault is not another's: what has landed is done, and what was not touched gets a
   * turn of its own.
   */
  #settle(calls: readonly Pending[], landed: Landed, error: unknown): void {
    const isInDoubt = this.#producer?.isInDoubt ?? false
    this.#renew()
    const again: Pending[] = []
    for (const call of calls) {
      const { written, missing } = landed.take(call.records)
      if (missing === 0) call.resolve(written)
      else if (calls.length > 1 && !isInDoubt && missing === call.records.length)
        again.push({ ...call, isAlone: true })
      else call.reject(isInDoubt ? unknownUnlessFenced(error) : outcomeOf(error))
    }
    this.#waiting.unshift(...again)
    for (const { records, bytes } of again) {
      this.#waitingRecords += records.length
      this.#waitingBytes += bytes
    }
  }

  /**
   * A batch in doubt may arrive after its repetition, which the caller makes and which must be the
   * last word. In the next epoch of the same id a late one is refused; another id would let it in.
   */
  #renew(): void {
    const producer = this.#producer
    if (producer?.isOutOfStep !== true) return
    this.#producer = (producer.isInDoubt ? producer.raised() : undefined) ?? null
  }

  async #write(rounds: readonly Round[], landed: Landed): Promise<void> {
    const deadline = this.#cluster.clock.now() + WRITE_WITHIN_MS
    try {
      await this.#produce(rounds, deadline, landed)
    } catch (error) {
      // Brokers forget producers that have been idle for long; nothing was appended then.
      if (remedyFor(error) !== 'out-of-step' || this.#producer?.isInDoubt === true) throw error
      this.#producer = null
      const rest = rounds.map((round) => round.filter((batch) => !landed.has(batch)))
      await this.#produce(rest, deadline, landed)
    }
  }

  async #produce(rounds: readonly Round[], deadline: number, landed: Landed): Promise<void> {
    this.#producer ??= await this.#newProducer(deadline)
    await this.#producer.produce(rounds, deadline, (batch, offset) => landed.add(batch, offset))
  }

  async #newProducer(deadline: number): Promise<Producer> {
    const attempts = new Attempts(this.#cluster.clock, deadline, PATIENT_MS_MAX)
    const call = initProducerId({ transactionalId: null, timeoutMs: NO_TRANSACTION_MS })
    for (;;) {
      try {
        const { errorCode, producerId, epoch } = await this.#cluster.sendAny(call)
        if (errorCode !== 0) throw new BrokerError(errorCode, 'InitProducerId')
        return new Producer(this.#cluster, this.#lane, { transactionalId: null, producerId, epoch })
      } catch (error) {
        const remedy = remedyFor(error)
        if (remedy !== 'lost' && remedy !== 'later' && remedy !== 'coordinator') throw error
        if (!(await attempts.another())) throw error
      }
    }
  }
}

const bytesOf = (records: readonly OutRecord[]): number =>
  records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)

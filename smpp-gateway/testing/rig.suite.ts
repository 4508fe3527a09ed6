import { randomUUID } from 'node:crypto'
import { AckPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect, nanos, type NatsConnection } from '@nats-io/transport-node'
import {
  startOperatorManagement,
  type OperatorManagement,
} from '../../dev/neighbours/operator-management/server.ts'
import { startSmsc } from '../../dev/neighbours/smsc/server.ts'
import type { Smsc, SmscOptions } from '../../dev/neighbours/smsc/smsc.ts'
import { encode } from '../../streams/contracts/decode.ts'
import type { OperatorHealth } from '../../streams/contracts/operators.ts'
import type { DispatchCommand, SubmitResult } from '../../streams/contracts/outbound.ts'
import type { InboundReceipt } from '../../streams/contracts/receipts.ts'
import {
  commandDurable,
  commandSubject,
  DUPLICATE_WINDOW_MS,
  STREAMS,
} from '../../streams/contracts/subjects.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { createLogger, silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { operatorSettings, TIMINGS, type Timings } from '../config.ts'
import { credentialsFrom } from '../operator/credentials.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import { commandTo, until } from './invented.suite.ts'
import { connectNats, type NatsLink } from '../../streams/nats/link.ts'
import { connectRedis } from '../redis.ts'

/**
 * What the wire tests share: a gateway with short times, a simulated operator, operator-management,
 * and ears on NATS.
 */

export const TOKEN = 'token-of-test'
/** Looked for in all output: no other text of a test contains it. */
export const PASSWORD = 'Pw9!x7Zq'

const HURRY: Timings = {
  ...TIMINGS,
  connectMs: 2_000,
  bindMs: 2_000,
  responseMs: 1_000,
  enquireLinkMs: 5_000,
  enquireLinkTimeoutMs: 300,
  reconnectFirstMs: 50,
  reconnectMaxMs: 400,
  credentialsPollMs: 100,
  heartbeatMs: 60_000,
  // A test that is kept from the processor for so long would lose its lease.
  leaseMs: 10_000,
  leaseRenewMs: 300,
  receiptAckMs: 1_000,
  drainMs: 3_000,
  unbindMs: 1_000,
}

export const envOf = (name: 'NATS_URL' | 'REDIS_URL'): string => {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} must name a running server for this test`)
  return value
}

export interface GatewaySettings {
  readonly operatorIds?: readonly string[]
  readonly timings?: Partial<Timings>
  readonly options?: Readonly<Record<string, Parameters<typeof operatorSettings>[0]>>
  readonly natsUrl?: string
  readonly redisUrl?: string
}

export interface RunningGateway {
  readonly gateway: Gateway
  readonly nats: NatsLink
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  metricsText(): Promise<string>
  stop(): Promise<void>
}

export interface Heard {
  readonly results: SubmitResult[]
  readonly receipts: InboundReceipt[]
  readonly health: OperatorHealth[]
}

const elapsed = (): number => performance.now()

type Close = () => Promise<void> | void

export class Rig {
  readonly operatorId = randomUUID()
  readonly systemId = `esme${Math.floor(Math.random() * 1e9)}`
  readonly log: string[] = []
  readonly #opened: Close[] = []
  #nats: NatsConnection | undefined
  #management: OperatorManagement | undefined

  onClose(close: Close): void {
    this.#opened.push(close)
  }

  async close(): Promise<void> {
    for (let close = this.#opened.pop(); close !== undefined; close = this.#opened.pop()) await close()
  }

  get nats(): NatsConnection {
    if (this.#nats === undefined) throw new Error('call openNats first')
    return this.#nats
  }

  get management(): OperatorManagement {
    if (this.#management === undefined) throw new Error('call openOperator first')
    return this.#management
  }

  /**
   * Streams as the provisioner makes them; existing ones are left alone, since other tests use them
   * too.
   */
  async openNats(): Promise<NatsConnection> {
    const nats = await connect({ servers: envOf('NATS_URL') })
    this.#nats = nats
    this.onClose(() => nats.close())
    const manager = await jetstreamManager(nats)
    for (const { name, subjects, maxAgeMs } of STREAMS) {
      await manager.streams.add({
        name,
        subjects: [...subjects],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        duplicate_window: nanos(DUPLICATE_WINDOW_MS),
        max_age: nanos(maxAgeMs),
      })
    }
    return nats
  }

  async addDurable(operatorId: string, ackWaitMs = 60_000): Promise<void> {
    const manager = await jetstreamManager(this.nats)
    const durable = commandDurable(operatorId)
    await manager.consumers.add('SMPP_OUTBOUND', {
      durable_name: durable,
      filter_subject: commandSubject(operatorId),
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWaitMs),
      max_deliver: -1,
      max_ack_pending: -1,
    })
    this.onClose(async () => void (await manager.consumers.delete('SMPP_OUTBOUND', durable)))
  }

  /** Commands of the operator that are not acknowledged yet. */
  async unacknowledged(operatorId = this.operatorId): Promise<number> {
    const manager = await jetstreamManager(this.nats)
    const info = await manager.consumers.info('SMPP_OUTBOUND', commandDurable(operatorId))
    return info.num_pending + info.num_ack_pending
  }

  async openSmsc(options: Partial<SmscOptions> = {}, account: object = {}): Promise<Smsc> {
    const smsc = await startSmsc({
      operators: [{ systemId: this.systemId, password: PASSWORD, ...account }],
      timing: { receiptDelayMs: { min: 5, max: 20 }, receiptRetryMs: 100, lateResponseMs: 1_500 },
      ...options,
    })
    this.onClose(() => smsc.close())
    return smsc
  }

  /** operator-management that knows the rig's operator, at the simulator's port. */
  async openManagement(port: number, change: object = {}): Promise<OperatorManagement> {
    const management = await startOperatorManagement({
      host: '127.0.0.1',
      port: 0,
      token: TOKEN,
      operators: [],
    })
    this.#management = management
    this.onClose(() => management.close())
    this.setOperator(this.operatorId, port, { systemId: this.systemId, ...change })
    return management
  }

  setOperator(operatorId: string, port: number, change: object = {}): void {
    this.management.set({
      operatorId,
      host: '127.0.0.1',
      port,
      systemId: this.systemId,
      password: PASSWORD,
      systemType: '',
      tpsLimit: 10_000,
      bindMode: 'TRANSCEIVER',
      backupOperatorId: null,
      operatorName: 'Test-OP',
      ...change,
    })
  }

  async startGateway(settings: GatewaySettings = {}): Promise<RunningGateway> {
    const logger = createLogger({
      service: 'smpp-gateway',
      level: 'debug',
      destination: { write: (line: string) => void this.log.push(line) },
    })
    const shared = connectRedis({ url: settings.redisUrl ?? envOf('REDIS_URL'), now: elapsed, logger })
    const nats = connectNats({ url: settings.natsUrl ?? envOf('NATS_URL'), user: 'smpp-connector', logger })
    const metrics = new Metrics()
    const timings = { ...HURRY, ...settings.timings }
    const gateway = createGateway({
      operatorIds: settings.operatorIds ?? [this.operatorId],
      settings: Object.fromEntries(
        Object.entries(settings.options ?? {}).map(([id, given]) => [id, operatorSettings(given)]),
      ),
      timings,
      fetchCredentials: credentialsFrom({
        url: `http://127.0.0.1:${this.management.port}`,
        token: TOKEN,
        timeoutMs: timings.credentialsMs,
      }),
      nats,
      shared,
      metrics,
      logger,
      now: Date.now,
      elapsed,
      sleep,
      random: Math.random,
      newId: randomUUID,
    })
    gateway.start()
    let stopped: Promise<void> | undefined
    const stop = (): Promise<void> => {
      stopped ??= (async () => {
        await gateway.stop()
        await nats.close()
        shared.close()
      })()
      return stopped
    }
    this.onClose(stop)
    return {
      gateway,
      nats,
      stop,
      metric: (name, labels) => metricOf(metrics, name, labels),
      metricsText: () => metrics.registry.metrics(),
    }
  }

  /** Everything that is published about the operators, as it arrives, repetitions included. */
  async hear(...operatorIds: readonly string[]): Promise<Heard> {
    const mine = new Set(operatorIds.length === 0 ? [this.operatorId] : operatorIds)
    const heard: Heard = { results: [], receipts: [], health: [] }
    const into: Readonly<Record<string, unknown[]>> = {
      'smpp.submit.result': heard.results,
      'sms.dlr.inbound': heard.receipts,
      'operator.health': heard.health,
    }
    for (const [subject, events] of Object.entries(into)) {
      this.nats.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) return
          const event = message.json<{ operatorId: string }>()
          if (mine.has(event.operatorId)) events.push(event)
        },
      })
    }
    await this.nats.flush()
    return heard
  }

  async send(change: Partial<DispatchCommand> = {}): Promise<DispatchCommand> {
    const command = commandTo(this.operatorId, change)
    const payload = encode(command)
    await this.nats.request(commandSubject(command.operatorId), payload, { timeout: 5_000 })
    return command
  }

  /** Simulator, operator-management, durable and gateway, bound. */
  async openAll(settings: GatewaySettings = {}, window = 10, smscOptions: Partial<SmscOptions> = {}) {
    await this.openNats()
    await this.addDurable(this.operatorId)
    const heard = await this.hear()
    const smsc = await this.openSmsc(smscOptions)
    await this.openManagement(smsc.port)
    const options = { [this.operatorId]: { window }, ...settings.options }
    const running = await this.startGateway({ ...settings, options })
    await this.bound(running)
    return { smsc, heard, running }
  }

  /** As if another process had taken the lease. */
  async setLease(token: string, ttlMs: number, of = this.operatorId): Promise<void> {
    const shared = connectRedis({ url: envOf('REDIS_URL'), now: elapsed, logger: silentLogger })
    await until(() => shared.isUp)
    await shared.attempt((redis) => redis.set(`smpp:lease:${of}`, token, 'PX', ttlMs))
    shared.close()
  }

  /** As Redis has it after a restart without its data. */
  async dropLease(): Promise<void> {
    const shared = connectRedis({ url: envOf('REDIS_URL'), now: elapsed, logger: silentLogger })
    await until(() => shared.isUp)
    await shared.attempt((redis) => redis.del(`smpp:lease:${this.operatorId}`))
    shared.close()
  }

  async bound(running: RunningGateway, operatorId = this.operatorId): Promise<void> {
    await until(() => running.gateway.operators.get(operatorId)?.view.state === 'BOUND')
  }
}

async function metricOf(
  metrics: Metrics,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)?.get()
  const values = metric?.values.filter((value) =>
    Object.entries(labels).every(([key, wanted]) => value.labels[key] === wanted),
  )
  return values?.reduce((sum, { value }) => sum + value, 0) ?? 0
}

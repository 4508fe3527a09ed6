import {
  AckPolicy,
  JetStreamApiError,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import {
  DUPLICATE_WINDOW_MS,
  INBOUND_MIRRORS,
  STREAMS,
  type StreamSpec,
} from '../../streams/contracts/subjects.ts'
import { backoffMs, type Sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { connectionOf, type NatsLink } from '../../streams/nats/link.ts'
import { startOf, UnmarkedDurable, type DurableMarks } from './durable-start.ts'
import { durables, type DurableOptions, type DurableSpec } from './durables.ts'

export interface ProvisionOptions extends DurableOptions {
  /** Copies of each stream; 1 on a single server. */
  readonly replicas: number
  /** Absent: nothing is known of a durable that is missing. */
  readonly marks?: DurableMarks
  /** Makes durables of commands from the first message, although no mark says what was sent. */
  readonly isUnmarkedAllowed?: boolean
}

/**
 * An existing stream or durable that differs in something which cannot be changed without losing
 * messages or ids.
 */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError'
}

/**
 * Creates the streams and durables of [EV2] and [EV4] to [EV16], and verifies what exists. What can
 * be changed in place without loss is changed. Any other difference is a ProvisionError that names
 * the stream or durable and the field. A durable that cannot be made without sending twice holds up
 * no other: it is an UnmarkedDurable at the end. Repeatable. Uses nothing that nats-server 2.9 does
 * not know.
 */
export async function provisionNats(manager: JetStreamManager, options: ProvisionOptions): Promise<void> {
  for (const spec of STREAMS) await ensureStream(manager, streamConfig(spec, options.replicas))
  const unmarked: UnmarkedDurable[] = []
  for (const spec of durables(options)) {
    try {
      await ensureDurable(manager, spec, options)
    } catch (error) {
      if (!(error instanceof UnmarkedDurable)) throw error
      unmarked.push(error)
    }
  }
  const [first] = unmarked
  if (first !== undefined) throw first
}

export interface ProvisionThroughOptions extends ProvisionOptions {
  readonly sleep: Sleep
  readonly random: () => number
  readonly logger: Logger
}

const RETRY = { firstMs: 500, maxMs: 10_000, jitter: 0.2 }
const API_MS_MAX = 10_000

/**
 * Provisions as soon as NATS is there. Rejects with a ProvisionError or an UnmarkedDurable only;
 * everything else is tried again.
 */
export async function provisionThrough(link: NatsLink, options: ProvisionThroughOptions): Promise<void> {
  const { sleep, random, logger } = options
  for (let attempt = 1; ; attempt += 1) {
    try {
      await link.whenConnected(NEVER)
      const settings = { checkAPI: false, timeout: API_MS_MAX }
      await provisionNats(await jetstreamManager(connectionOf(link), settings), options)
      logger.info('nats.provisioned')
      return
    } catch (error) {
      if (error instanceof ProvisionError || error instanceof UnmarkedDurable) throw error
      logger.warn('nats.provision_failed', { attempt, error })
      await sleep(backoffMs(attempt, { ...RETRY, random }))
    }
  }
}

const NEVER = new AbortController().signal

type OurStream = Pick<
  StreamConfig,
  'subjects' | 'retention' | 'storage' | 'duplicate_window' | 'allow_rollup_hdrs' | 'max_age' | 'num_replicas'
> & { readonly name: string }

const streamConfig = (spec: StreamSpec, replicas: number): OurStream => ({
  name: spec.name,
  subjects: [...spec.subjects],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  allow_rollup_hdrs: false,
  max_age: nanos(spec.maxAgeMs),
  num_replicas: replicas,
})

const FIXED_OF_STREAM = [
  'retention',
  'storage',
  'duplicate_window',
  'allow_rollup_hdrs',
] as const satisfies readonly (keyof OurStream)[]

async function ensureStream(manager: JetStreamManager, wanted: OurStream): Promise<void> {
  const found = await unlessMissing(manager.streams.info(wanted.name))
  if (found === undefined) {
    await manager.streams.add(wanted)
    return
  }
  const { config } = found
  for (const field of FIXED_OF_STREAM) refuseDifference(`stream ${wanted.name}`, field, config, wanted)
  // A subject that is new to the stream loses nothing; one that is not ours is for a person.
  const { subjects } = wanted
  if (!config.subjects.every((one) => subjects.includes(one)))
    throw differs(`stream ${wanted.name}`, 'subjects')
  // A shorter age would delete messages at once: that is for a person to decide.
  if (config.max_age === 0 || config.max_age > wanted.max_age)
    throw differs(`stream ${wanted.name}`, 'max_age')
  const { max_age, num_replicas } = wanted
  const isSame = config.max_age === max_age && config.num_replicas === num_replicas
  if (isSame && config.subjects.length === subjects.length) return
  await manager.streams.update(wanted.name, { subjects, max_age, num_replicas })
}

type OurDurable = Required<
  Pick<
    ConsumerConfig,
    'durable_name' | 'ack_policy' | 'replay_policy' | 'ack_wait' | 'max_deliver' | 'max_ack_pending'
  >
> &
  Pick<ConsumerConfig, 'filter_subject'>

const durableConfig = (spec: DurableSpec): OurDurable => ({
  durable_name: spec.name,
  ...(spec.filter !== undefined && { filter_subject: spec.filter }),
  ack_policy: AckPolicy.Explicit,
  replay_policy: ReplayPolicy.Instant,
  ack_wait: nanos(spec.ackWaitMs),
  // The server never gives a message up: what to do with one that cannot be read is its reader's
  // decision.
  max_deliver: -1,
  max_ack_pending: spec.maxAckPending,
})

async function ensureDurable(
  manager: JetStreamManager,
  spec: DurableSpec,
  options: ProvisionOptions,
): Promise<void> {
  const wanted = durableConfig(spec)
  const found = await unlessMissing(manager.consumers.info(spec.stream, spec.name))
  if (found === undefined) {
    const start = await startOf(manager, spec, options)
    await manager.consumers.add(spec.stream, { ...wanted, ...start })
    return
  }
  const { config } = found
  verifyDurable(spec, config, wanted)
  const { ack_wait, max_deliver, max_ack_pending } = wanted
  const changed = CHANGEABLE_OF_DURABLE.some((field) => config[field] !== wanted[field])
  const widened = isWidened(spec, config)
  if (!changed && !widened) return
  const update = { ack_wait, max_deliver, max_ack_pending }
  // The client drops a filter when it is there as undefined, which its types do not know.
  if (widened) Reflect.set(update, 'filter_subject', undefined)
  await manager.consumers.update(spec.stream, spec.name, update)
}

const CHANGEABLE_OF_DURABLE = ['ack_wait', 'max_deliver', 'max_ack_pending'] as const

/**
 * It served one of its subjects and is to serve all of its stream. The others are new to the
 * stream, so there is nothing of them before what it has delivered. Its filter is taken away and
 * not made a pattern: nats-server 2.9.10 then counts what is pending, and delivers none of it.
 */
const isWidened = (spec: DurableSpec, { filter_subject }: Partial<ConsumerConfig>): boolean =>
  spec.filter === undefined &&
  INBOUND_MIRRORS.some(({ durable, subject }) => durable === spec.name && subject === filter_subject)

function verifyDurable(spec: DurableSpec, found: Partial<ConsumerConfig>, wanted: OurDurable): void {
  const what = `durable ${spec.stream}/${spec.name}`
  if (found.deliver_subject !== undefined) throw differs(what, 'deliver_subject')
  refuseDifference(what, 'ack_policy', found, wanted)
  // Where the stream has this one subject only, no filter is the same, and some servers forget it.
  const unfiltered = (found.filter_subject ?? '') === ''
  if ((unfiltered && hasOneSubject(spec)) || isWidened(spec, found)) return
  refuseDifference(what, 'filter_subject', found, wanted)
}

const hasOneSubject = (spec: DurableSpec): boolean => {
  const subjects = STREAMS.find(({ name }) => name === spec.stream)?.subjects
  return subjects?.length === 1 && subjects[0] === spec.filter
}

function refuseDifference<K extends string>(
  what: string,
  field: K,
  found: Partial<Record<K, unknown>>,
  wanted: Partial<Record<K, unknown>>,
): void {
  if (JSON.stringify(found[field] ?? false) !== JSON.stringify(wanted[field] ?? false))
    throw differs(what, field)
}

const differs = (what: string, field: string): ProvisionError =>
  new ProvisionError(`${what} exists with another ${field}`)

// Numbers of the JetStream API: ConsumerNotFound and StreamNotFound.
const MISSING = new Set([10_014, 10_059])

/** Undefined when there is no such stream or durable. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (error instanceof JetStreamApiError && MISSING.has(error.code)) return undefined
    throw error
  }
}

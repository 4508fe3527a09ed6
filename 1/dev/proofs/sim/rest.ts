import { OUTBOUND_MIRRORS } from '../../../streams/contracts/subjects.ts'
import { partitionKey, type TopicPartition } from '../../../streams/log/port.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import { APP } from './process.ts'
import type { World } from './world.ts'

/** A timer this close is waited for. */
const SOON_MS = 10_000

/**
 * The first thing that still moves, or the empty text. A look takes several steps, in which other
 * things may move.
 */
export async function whatMoves(world: World): Promise<string> {
  const edges = whatTravels(world) || whatIsUnpublished(world)
  if (edges !== '') return edges
  const stopped = world.machines.all.find((machine) => machine.process?.state !== 'running')
  if (stopped !== undefined) return `machine ${stopped.name} is not up`
  for (const { name } of world.topologies) {
    for (let partition = 0; partition < world.partitions; partition += 1) {
      const moving = (await whatIsUnread(world, name, partition)) || (await whatIsDue(world, name, partition))
      if (moving !== '') return moving
    }
  }
  // One of a process that died before it had moved a cursor is known to nobody: it times out.
  const [open] = world.log.openTransactions()
  return open === undefined ? '' : `${open.transactionalId} is in a transaction`
}

/** Between the log and the world around it. */
function whatTravels({ sender, nats, bridges, lateness }: World): string {
  if (sender.pending > 0) return `${sender.pending} inputs are on their way`
  if (nats.late > 0) return `${nats.late} publishes will still arrive`
  if (lateness.pending > 0) return `${lateness.pending} requests will still arrive`
  const stopped = bridges.all.find(({ process }) => process?.isUp !== true)
  if (stopped !== undefined) return `bridge ${stopped.name} is not up`
  const durable = nats.durables.find(({ unsettled }) => unsettled.length > 0)
  return durable === undefined ? '' : `${durable.name} has ${durable.unsettled.length} messages left`
}

/** A cursor that could not be moved moves with the next batch, so it says less than the process. */
function whatIsUnpublished({ log, bridges }: World): string {
  for (const { topic } of OUTBOUND_MIRRORS) {
    const ends = new Map(log.dump(topic).map(({ partition, offset }) => [partition, offset + 1]))
    for (const [partition, end] of ends) {
      if (!bridges.all.some(({ process }) => process?.hasDone({ topic, partition }, end) === true))
        return `${topic} ${partition} is not published up to ${end}`
    }
  }
  return ''
}

async function leftOf({ log }: World, group: string, at: TopicPartition): Promise<number> {
  const committed = await log.admin.committed(group, [at], 'asTheyAre')
  const next = committed.get(partitionKey(at))?.next ?? 0
  return log.dump(at.topic).filter((one) => one.partition === at.partition && one.offset >= next).length
}

async function whatIsUnread(world: World, name: string, partition: number): Promise<string> {
  const { topologies } = world
  const inputs = topologies.find((topology) => topology.name === name)?.inputs ?? []
  for (const { name: topic } of inputs) {
    const left = await leftOf(world, groupOf(APP, name), { topic, partition })
    if (left > 0) return `${name}.${partition} has ${left} records of ${topic} to read`
  }
  return ''
}

async function whatIsDue(world: World, name: string, partition: number): Promise<string> {
  const owners = world.machines.owners(name, partition)
  const [owner] = owners
  if (owner === undefined || owners.length > 1)
    return `${name}.${partition} runs at ${owners.length} machines`
  const dueMs = (await owner.disk.find(`${name}.${partition}`)?.store.nextDueMs()) ?? Number.POSITIVE_INFINITY
  return dueMs <= world.time.wallMs + SOON_MS ? `${name}.${partition} has a timer due` : ''
}

const LOOK_AGAIN_MS = 500

/** Looks now and then whether anything moves. */
export class Rest {
  readonly #world: World
  /** The second look sees what has moved during the first. */
  #quietLooks = 0
  #looking = false
  #nextLookMs = 0
  unrest = 'nobody has looked'

  constructor(world: World) {
    this.#world = world
  }

  get isQuiet(): boolean {
    return this.#quietLooks >= 2
  }

  /** Between two steps. */
  look(): void {
    const { time, scheduler } = this.#world
    if (this.#looking || scheduler.waiting() > 0 || time.elapsedMs < this.#nextLookMs) return
    this.#looking = true
    this.#nextLookMs = time.elapsedMs + LOOK_AGAIN_MS
    void whatMoves(this.#world).then((moving) => {
      this.unrest = moving
      this.#quietLooks = moving === '' ? this.#quietLooks + 1 : 0
      this.#looking = false
    })
  }
}

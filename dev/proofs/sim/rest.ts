import { partitionKey } from '../../../streams/log/port.ts'
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
  if (world.sender.pending > 0) return `${world.sender.pending} inputs are on their way`
  const stopped = world.machines.all.find((machine) => machine.process?.state !== 'running')
  if (stopped !== undefined) return `machine ${stopped.name} is not up`
  for (const { name } of world.topologies) {
    for (let partition = 0; partition < world.partitions; partition += 1) {
      const moving = (await whatIsUnread(world, name, partition)) || (await whatIsDue(world, name, partition))
      if (moving !== '') return moving
    }
  }
  return ''
}

async function whatIsUnread(world: World, name: string, partition: number): Promise<string> {
  const { topologies, log } = world
  const inputs = topologies.find((topology) => topology.name === name)?.inputs ?? []
  const at = inputs.map((topic) => ({ topic: topic.name, partition }))
  const committed = await log.admin.committed(groupOf(APP, name), at)
  for (const one of at) {
    const next = committed.get(partitionKey(one))?.next ?? 0
    const left = log
      .dump(one.topic)
      .filter((record) => record.partition === partition && record.offset >= next)
    if (left.length > 0) return `${name}.${partition} has ${left.length} records of ${one.topic} to read`
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

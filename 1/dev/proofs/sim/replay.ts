import { OUTBOUND_MIRRORS } from '../../../streams/contracts/subjects.ts'
import { OUTBOUND_GROUP } from '../../../bridges/nats/outbound/outbound.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import { SEGMENTS } from '../../../topologies/segments/segments.ts'
import type { Dice } from './dice.ts'
import { APP } from './process.ts'
import type { World } from './world.ts'

/**
 * What an SRE does with the broker's own tool [P1]: stops the processes, moves the cursors of a
 * group back and starts them again. Any group may be moved, to any place.
 */
export async function moveCursorsBack(world: World, dice: Dice): Promise<void> {
  const { machines, bridges, log, topologies, history } = world
  for (const topology of topologies.filter(() => dice.chance(0.5))) {
    const topics = topology.inputs.map(({ name }) => name)
    const cursors = cursorsOf(world, topics, dice)
    await log.admin.moveCursors(groupOf(APP, topology.name), cursors)
    history.fault(
      'cursors_moved',
      `${topology.name} ${cursors.map(({ topic, next }) => `${topic}:${next}`).join(' ')}`,
    )
    world.replays.count += 1
  }
  if (dice.chance(0.5)) await moveBridge(world, dice)
  machines.release()
  bridges.release()
}

/** One group reads all that it ever read, and nothing else moves: there is one order of that. */
export async function moveSegmentsToTheStart(world: World): Promise<void> {
  const { machines, bridges, log, topologies, partitions, history, replays } = world
  const inputs = topologies.find(({ name }) => name === SEGMENTS)?.inputs ?? []
  const numbers = Array.from({ length: partitions }, (_, partition) => partition)
  const cursors = inputs.flatMap(({ name: topic }) =>
    numbers.map((partition) => ({ topic, partition, next: 0, metadata: '' })),
  )
  await log.admin.moveCursors(groupOf(APP, SEGMENTS), cursors)
  history.fault('cursors_moved', `${SEGMENTS} to the start`)
  replays.count += 1
  machines.release()
  bridges.release()
}

/** What NATS has acknowledged is published again, but for commands [P7]. */
async function moveBridge(world: World, dice: Dice): Promise<void> {
  const topics = OUTBOUND_MIRRORS.map(({ topic }) => topic)
  await world.log.admin.moveCursors(OUTBOUND_GROUP, cursorsOf(world, topics, dice))
  world.history.fault('cursors_moved', OUTBOUND_GROUP)
}

function cursorsOf({ partitions, log }: World, topics: readonly string[], dice: Dice) {
  const isWhole = dice.chance(0.5)
  return topics.flatMap((topic) =>
    Array.from({ length: partitions }, (_, partition) => {
      const last = log.dump(topic).findLast((record) => record.partition === partition)?.offset ?? 0
      return { topic, partition, next: isWhole ? 0 : dice.int(0, last), metadata: '' }
    }),
  )
}

/** Whether no group has a member left, dead ones included. */
export async function isEmpty({ log, topologies }: World): Promise<boolean> {
  log.expireSessions()
  for (const group of [OUTBOUND_GROUP, ...topologies.map(({ name }) => groupOf(APP, name))]) {
    const { members } = await log.admin.groupState(group)
    if (members > 0) return false
  }
  return true
}

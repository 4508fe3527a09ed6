import type { Topology } from '../../../streams/dsl/topology.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import type { Dice } from './dice.ts'
import { APP } from './process.ts'
import type { World } from './world.ts'

/**
 * What an SRE does with the broker's own tool [P1]: stops the processes, moves the cursors of a
 * group back and starts them again. Any group may be moved, to any place.
 */
export async function moveCursorsBack(world: World, dice: Dice): Promise<void> {
  const { machines, log, topologies, history } = world
  for (const topology of topologies.filter(() => dice.chance(0.5))) {
    const cursors = cursorsOf(world, topology, dice)
    await log.admin.moveCursors(groupOf(APP, topology.name), cursors)
    history.fault(
      'cursors_moved',
      `${topology.name} ${cursors.map(({ topic, next }) => `${topic}:${next}`).join(' ')}`,
    )
    world.replays.count += 1
  }
  machines.release()
}

function cursorsOf({ partitions, log }: World, topology: Topology, dice: Dice) {
  const isWhole = dice.chance(0.5)
  return topology.inputs.flatMap(({ name: topic }) =>
    Array.from({ length: partitions }, (_, partition) => {
      const last = log.dump(topic).findLast((record) => record.partition === partition)?.offset ?? 0
      return { topic, partition, next: isWhole ? 0 : dice.int(0, last), metadata: '' }
    }),
  )
}

/** Whether no group has a member left, dead ones included. */
export async function isEmpty({ log, topologies }: World): Promise<boolean> {
  log.expireSessions()
  for (const topology of topologies) {
    const { members } = await log.admin.groupState(groupOf(APP, topology.name))
    if (members > 0) return false
  }
  return true
}

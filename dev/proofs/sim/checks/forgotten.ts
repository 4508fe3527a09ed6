import { TOPICS } from '../../../../streams/contracts/catalogue.ts'
import { isReplayed } from '../../../../streams/log/port.ts'
import { operatorQuality } from '../../../../streams/contracts/operators.ts'
import type { Complain } from '../readings.ts'
import type { World } from '../world.ts'
import { EDGES } from './ids.ts'

/** Told every half minute of the last five, by a timer: also of what came just before. */
const TIMED = operatorQuality.name

/** What every output held before it was read again, by topic. */
export type Said = ReadonlyMap<string, number>

export function saidSoFar({ log }: World): Said {
  const outputs = TOPICS.map(({ name }) => name).filter((name) => !EDGES.includes(name) && name !== TIMED)
  return new Map(
    outputs.map((name) => [name, log.dump(name).filter(({ headers }) => !isReplayed(headers)).length]),
  )
}

/**
 * When all rows have been forgotten only the marks tell that a record is read again [P3]: whatever
 * it says then is marked as replayed, a timer's word included.
 */
export function checkNothingNew(world: World, before: Said, complain: Complain): void {
  const after = saidSoFar(world)
  for (const [topic, count] of after) {
    const news = count - (before.get(topic) ?? 0)
    if (news > 0) complain(`${topic} has ${news} new records of what everybody had forgotten`)
  }
}

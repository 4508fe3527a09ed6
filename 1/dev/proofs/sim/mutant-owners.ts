import type { Publisher } from '../../../bridges/nats/outbound/publish.ts'
import type { Plant } from './process.ts'

/** Mutants of a bridge that publishes what may be another's by now. */

const withPublication =
  (
    change: (...given: Parameters<Publisher['publish']>) => readonly [...Parameters<Publisher['publish']>],
  ): NonNullable<Plant['publisher']> =>
  (publisher) => ({ publish: (...given) => publisher.publish(...change(...given)) })

/** It asks nobody before a command leaves, and NATS takes it behind whatever lies there. */
const unproven = withPublication((publication) => [{ ...publication, lastSequence: undefined }, () => {}])

export const OWNER_MUTANTS: Readonly<Record<string, () => Plant>> = {
  'bridge-publishes-unproven': () => ({ shows: 'freezes', publisher: unproven }),
}

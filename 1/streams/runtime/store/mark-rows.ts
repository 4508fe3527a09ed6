import { MARKS_STORE, type Topology } from '../../dsl/topology.ts'

/**
 * Marks are rows of a store of their own, and travel in the changelog of the first store beside its
 * rows: a changelog of their own would be one more partition to write in every transaction. No key
 * of a row begins like theirs. A former version wrote them to `<topology>-marks-changelog`, under
 * keys without the prefix; that is read still.
 */
const PREFIX = '\0'

export const markKey = (topic: string): string => `${PREFIX}mark:${topic}`
export const idKey = (topic: string): string => `${PREFIX}id:${topic}`

/** The store of a row with this key that was found in the changelog of `name`. */
export const storeOf = (name: string, key: string): string => (key.startsWith(PREFIX) ? MARKS_STORE : name)

/** In whose changelog rows of a store are written. */
export const carrierOf = ({ stores }: Topology, store: string): string =>
  store === MARKS_STORE ? (stores[0] ?? MARKS_STORE) : store

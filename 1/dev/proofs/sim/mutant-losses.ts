import type { Topology } from '../../../streams/dsl/topology.ts'
import { MARKS_STORE } from '../../../streams/dsl/topology.ts'
import type { Handling } from '../../../streams/dsl/processor.ts'
import type { LogClient } from '../../../streams/log/port.ts'
import type { Store, StoreFactory } from '../../../streams/runtime/store/store.ts'
import { bound } from './mutant-stores.ts'
import { around } from './mutant-topologies.ts'
import type { Plant } from './process.ts'

/** Mutants that believe a number without the thing that it counts. */

const ID_PREFIX = 'id:'

/** Marks hold for whatever topic bears the name. */
function marksOfAnyTopic(): Plant {
  const ids = new Map<string, string>()
  return {
    shows: 'losses',
    log: (log) => withBoundsSeen(log, ids),
    stores: withGet((inner, store, key) =>
      store === MARKS_STORE && key.startsWith(ID_PREFIX)
        ? ids.get(key.slice(ID_PREFIX.length))
        : inner.get(store, key),
    ),
  }
}

const withBoundsSeen = (log: LogClient, ids: Map<string, string>): LogClient => ({
  ...log,
  admin: {
    ...log.admin,
    bounds: async (at) => {
      const found = await log.admin.bounds(at)
      for (const [key, { topicId }] of found)
        if (topicId !== undefined) ids.set(key.slice(0, key.lastIndexOf(':')), topicId)
      return found
    },
  },
})

const withGet =
  (get: (inner: Store, store: string, key: string) => string | undefined) =>
  (stores: StoreFactory): StoreFactory => ({
    open: async (name, onWiped) => {
      const inner = await stores.open(name, onWiped)
      return { ...bound(inner), get: (store, key) => get(inner, store, key) }
    },
    peek: (name) => stores.peek(name),
    destroy: (name) => stores.destroy(name),
  })

/** Cursors too. */
const cursorsOfAnyTopic: NonNullable<Plant['log']> = (log) => ({
  ...log,
  admin: {
    ...log.admin,
    committed: async (group, at) => {
      const found = await log.admin.committed(group, at)
      return new Map([...found].map(([key, cursor]) => [key, { ...cursor, metadata: '' }]))
    },
  },
})

/** Nobody hears that a partition gives no more. */
const stopsNotHeard: NonNullable<Plant['log']> = (log) => ({
  ...log,
  consumer: (options) => log.consumer({ ...options, onStopped: () => {} }),
})

/** What lies where a row remembers a record is that record, whatever became of the topic. */
const positionsOfAnyTopic = (topology: Topology): Topology => ({
  ...topology,
  processors: topology.processors.map((processor) => ({
    ...processor,
    on: new Map([...processor.on].map(([topic, handling]) => [topic, believing(handling)])),
  })),
})

const believing = (handling: Handling): Handling => ({
  ask: handling.ask,
  handle: (subject, scope, answers) =>
    handling.handle(subject, { ...around(scope, (state) => scope.put(state)), replayed: true }, answers),
})

/** Where the mutants of `mutants.ts` find them. */
export const LOSS_MUTANTS: Readonly<Record<string, () => Plant>> = {
  'topic-id-ignored-in-marks': marksOfAnyTopic,
  'topic-id-ignored-in-cursors': () => ({ shows: 'losses', log: cursorsOfAnyTopic }),
  'topic-id-ignored-in-positions': () => ({
    shows: 'losses',
    topologies: (topologies) => topologies.map(positionsOfAnyTopic),
  }),
  'truncation-not-heard': () => ({ shows: 'losses', log: stopsNotHeard }),
}

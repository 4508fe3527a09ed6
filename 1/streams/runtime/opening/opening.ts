import { changelogsOf, type Topology } from '../../dsl/topology.ts'
import { partitionKey, type LogClient } from '../../log/port.ts'
import type { Clock } from '../clock.ts'
import type { Committer } from '../commit/committer.ts'
import type { TaskLimits } from '../limits.ts'
import type { LogTime } from '../log-time.ts'
import type { OwnedStore } from '../store/owned-store.ts'
import type { Store } from '../store/store.ts'
import type { Hooks, TaskId } from '../watch/hooks.ts'
import { taskName } from '../watch/hooks.ts'
import type { TaskProgress } from '../watch/task-progress.ts'
import { readCursorMetadata } from './cursor.ts'
import type { Ledger } from '../task/ledger.ts'
import { groupOf } from '../task/names.ts'
import { isShort, originOf, type Origin } from './origin.ts'
import { endPredecessors } from './predecessors.ts'
import type { Found, Sources } from './sources.ts'

export interface OpeningOptions {
  readonly id: TaskId
  readonly app: string
  readonly topology: Topology
  readonly log: LogClient
  readonly clock: Clock
  readonly time: LogTime
  readonly hooks: Hooks
  readonly limits: Pick<TaskLimits, 'shortChangelogMsMax'>
  readonly sources: Sources
  readonly committer: Committer
  readonly local: OwnedStore
  readonly ledger: Ledger
  readonly progress: TaskProgress
  readonly signal: AbortSignal
}

const LOOK_AGAIN_MS = 100

/** Makes a partition this member's own. */
export class Opening {
  readonly #options: OpeningOptions

  constructor(options: OpeningOptions) {
    this.#options = options
  }

  /**
   * The order must not change: be assigned the partition, end what predecessors have left open,
   * read the cursor that no transaction is about to move, restore the changelogs at least as far as
   * it says. The caller seeks then. From the assignment on the group refuses the cursors of whoever
   * had the partition before, so nothing more of it can be committed. Undefined when told to stop:
   * what a store that is not restored says of the inputs may be long over.
   */
  async takeOver(): Promise<{ readonly store: Store; readonly origins: readonly Origin[] } | undefined> {
    const { committer, id, log, app, topology, sources, ledger, time, signal } = this.#options
    const group = groupOf(app, topology.name)
    await committer.ready()
    const formerId = `${app}.${taskName(id)}`
    await endPredecessors({ admin: log.admin, committer, group, at: sources.at, formerId })
    const committed = await log.admin.committed(group, sources.at)
    for (const { metadata } of committed.values()) time.heard(readCursorMetadata(metadata).logMs)
    const changelogs = changelogsOf(topology).map((topic) => ledger.at(topic))
    const bounds = await log.admin.bounds([...sources.at, ...changelogs])
    const store = await this.#restored({ committed, bounds })
    if (signal.aborted) return undefined
    ledger.open(store)
    return { store, origins: await this.#origins({ committed, bounds }) }
  }

  #restored(found: Found): Promise<Store> {
    const { progress, local, sources, signal } = this.#options
    progress.opened(sources.cursorsIn(found))
    return local.restored({ ...found, signal, onProgress: (done) => progress.restored(done) })
  }

  /** Holds what is known of the inputs against what they are now. */
  async #origins(found: Found): Promise<readonly Origin[]> {
    const { hooks, id, ledger } = this.#options
    const origins = await this.#settled(found)
    for (const origin of origins) {
      const { topic, fate, next } = origin
      const cursor = found.committed.get(partitionKey(ledger.at(topic)))
      const known = Math.max(cursor?.next ?? 0, ledger.marks.all.get(topic) ?? 0)
      if (fate !== 'same') hooks.inputLost(id, topic, fate, known, next)
      ledger.begin(origin)
    }
    return origins
  }

  /** Once it is known for sure that what an input lacks is lost. */
  async #settled(found: Found): Promise<readonly Origin[]> {
    const { sources, ledger, log, clock, signal, limits, progress } = this.#options
    let { bounds } = found
    for (let waitedMs = 0; ; waitedMs += LOOK_AGAIN_MS) {
      const known = sources.knownOf({ ...found, bounds }, ledger.marks)
      const isOver = waitedMs >= limits.shortChangelogMsMax || signal.aborted
      if (isOver || !known.some(isShort)) return known.map(originOf)
      progress.restored(0)
      await clock.sleep(LOOK_AGAIN_MS, signal)
      bounds = await log.admin.bounds(sources.at)
    }
  }
}

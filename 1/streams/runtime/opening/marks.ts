import { z } from 'zod'
import { MARKS_STORE } from '../../dsl/topology.ts'
import { idKey, markKey } from '../store/mark-rows.ts'
import type { RowChange, Store } from '../store/store.ts'
import type { Origin } from './origin.ts'

const Mark = z.coerce.number().int().min(0)

/**
 * How far each input was ever processed, and of which topic that holds: everything below was
 * processed once, so reading it again is a replay [P3]. A mark is one row, the id of its topic
 * another, so that a state without ids can be read, and one with ids by a version that knows none.
 */
export class Marks {
  /** By topic. */
  readonly all = new Map<string, number>()
  readonly #ids = new Map<string, string>()
  /** Ids that the store has. */
  readonly #kept = new Map<string, string>()
  /** Marks that are not as the store has them. */
  readonly #corrected = new Set<string>()

  /** As the store has them. */
  open(store: Store, topics: readonly string[]): void {
    for (const marks of [this.all, this.#ids, this.#kept, this.#corrected]) marks.clear()
    for (const topic of topics) {
      const mark = store.get(MARKS_STORE, markKey(topic)) ?? store.get(MARKS_STORE, topic)
      if (mark !== undefined) this.all.set(topic, Mark.parse(mark))
      const id = store.get(MARKS_STORE, idKey(topic)) ?? store.get(MARKS_STORE, `id:${topic}`)
      if (id !== undefined) this.#kept.set(topic, id)
    }
  }

  idOf(topic: string): string | undefined {
    return this.#kept.get(topic)
  }

  /** What holds in the topics as they are now. */
  begin({ topic, topicId, mark, fate }: Origin): void {
    if (topicId !== undefined) this.#ids.set(topic, topicId)
    if (fate === 'same') return
    this.#corrected.add(topic)
    if (mark === undefined) this.all.delete(topic)
    else this.all.set(topic, mark)
  }

  get areCorrected(): boolean {
    return this.#corrected.size > 0
  }

  /** What is to be written once the inputs stand at `nextOffsets`. */
  changes(nextOffsets: ReadonlyMap<string, number>): readonly RowChange[] {
    return [...nextOffsets].flatMap(([topic, next]) => {
      const mark = Math.max(next, this.all.get(topic) ?? 0)
      if (mark === (this.all.get(topic) ?? 0) && !this.#corrected.has(topic)) return []
      const id = this.#ids.get(topic)
      const isNew = id !== undefined && id !== this.#kept.get(topic)
      return [change(markKey(topic), String(mark)), ...(isNew ? [change(idKey(topic), id)] : [])]
    })
  }

  /** They are written. */
  applied(changes: readonly RowChange[]): void {
    for (const { key, encoded } of changes) {
      if (encoded === undefined) continue
      const [marked, identified] = [topicOf(markKey, key), topicOf(idKey, key)]
      if (marked !== undefined) this.all.set(marked, Number(encoded))
      if (identified !== undefined) this.#kept.set(identified, encoded)
    }
    this.#corrected.clear()
  }
}

const topicOf = (keyOf: (topic: string) => string, key: string): string | undefined =>
  key.startsWith(keyOf('')) ? key.slice(keyOf('').length) : undefined

const change = (key: string, encoded: string): RowChange => ({
  store: MARKS_STORE,
  key,
  encoded,
  armed: [],
  disarmed: [],
})

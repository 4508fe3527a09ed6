import { isOfOneRow } from '../postgres.ts'
import type { Insertion, InsertOptions, MessageStore, NewMessage } from './message-store.ts'

export interface GroupOptions {
  readonly store: MessageStore
  /** Resolves after so many milliseconds; handed in for tests. */
  readonly sleep: (ms: number) => Promise<void>
}

/** A group of this size need not wait for more: one statement for it is large enough. */
const ROWS_MAX = 64
/** How long a message waits for others, at most, while transactions are under way. */
const WAIT_MS = 5
/** Transactions that need not wait: while there are fewer, a message goes at once. */
const BUSY_FROM = 2
/** So many connections may be held by groups; bulks and lone retries have the others. */
const GROUPS_MAX = 8

interface Waiting {
  readonly message: NewMessage
  readonly resolve: (insertion: Insertion) => void
  readonly reject: (error: unknown) => void
}

/**
 * Lets submits that come at the same time share one transaction, whosever they are: what a commit
 * costs is paid once for all of them. A message that comes while nothing is under way does not
 * wait.
 *
 * A group that fails for what it holds (a row that does not fit, a key that somebody else is
 * using for long) is taken apart: each message is then stored by itself, and only the one at fault
 * fails. Several messages at once, and those that replace an expired key, pass by.
 */
export function groupCommit(options: GroupOptions): MessageStore {
  const { store } = options
  const one = gatherer(options)
  return {
    storedReplies: (tenantId, hashes) => store.storedReplies(tenantId, hashes),
    async insert(messages, how: InsertOptions = {}) {
      const [message, ...more] = messages
      const isPlain = more.length === 0 && how.replaceExpired !== true && how.rollBack !== true
      if (message === undefined || !isPlain) return store.insert(messages, how)
      return [await one(message)]
    },
  }
}

/** Puts a message into the next group; resolves with what became of it. */
function gatherer({ store, sleep }: GroupOptions): (message: NewMessage) => Promise<Insertion> {
  let queue: Waiting[] = []
  let underWay = 0
  let isTimed = false
  let isCalled = false

  const start = (): void => {
    const group = queue.slice(0, ROWS_MAX)
    queue = queue.slice(ROWS_MAX)
    underWay += 1
    void commit(store, group).finally(() => {
      underWay -= 1
      pump()
    })
  }
  const mayStart = (): boolean =>
    queue.length > 0 && underWay < GROUPS_MAX && (underWay < BUSY_FROM || queue.length >= ROWS_MAX)
  const pump = (): void => {
    isCalled = false
    while (mayStart()) start()
    if (queue.length > 0 && underWay < GROUPS_MAX && !isTimed) void startLater()
  }
  const startLater = async (): Promise<void> => {
    isTimed = true
    await sleep(WAIT_MS)
    isTimed = false
    if (queue.length > 0 && underWay < GROUPS_MAX) start()
    pump()
  }

  return (message) =>
    new Promise((resolve, reject) => {
      queue.push({ message, resolve, reject })
      // Not at once: what comes in this turn goes together.
      if (!isCalled) queueMicrotask(pump)
      isCalled = true
    })
}

async function commit(store: MessageStore, group: readonly Waiting[]): Promise<void> {
  try {
    const insertions = await store.insert(
      group.map(({ message }) => message),
      { isGroup: group.length > 1 },
    )
    group.forEach(({ resolve }, index) => resolve(insertions[index] ?? 'taken'))
  } catch (error) {
    if (group.length > 1 && isOfOneRow(error))
      await Promise.all(group.map((waiting) => commit(store, [waiting])))
    else for (const { reject } of group) reject(error)
  }
}

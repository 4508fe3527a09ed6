import { isOfOneRow } from '../postgres.ts'
import type { Insertion, InsertOptions, MessageStore, NewMessage } from './message-store.ts'

export interface GroupOptions {
  readonly store: MessageStore
  /** Resolves after so many milliseconds; handed in for tests. */
  readonly sleep: (ms: number) => Promise<void>
}

/** A larger group costs a message hardly less, and its first message waits for the last. */
const ROWS_MAX = 64
/**
 * While so many transactions are under way others are gathered, however long it takes: each ends
 * within milliseconds, and the more have come by then, the less each costs.
 */
const BUSY_FROM = 2
/**
 * Unless it takes so long that the ones under way must be stuck, behind a lock or a slow disk. Then
 * one more passes them.
 */
const STUCK_AFTER_MS = 25
/** So many connections may be held by groups; bulks and lone retries have the others. */
const GROUPS_MAX = 6
/** Of a group that was taken apart; all at once they would be a flood of our own making. */
const LONE_MAX = 4

interface Waiting {
  readonly message: NewMessage
  readonly isAnswered: () => boolean
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
      return [await one(message, how.isAnswered ?? (() => false))]
    },
  }
}

/** Puts a message into the next group; resolves with what became of it. */
type Gather = (message: NewMessage, isAnswered: () => boolean) => Promise<Insertion>

function gatherer({ store, sleep }: GroupOptions): Gather {
  let queue: Waiting[] = []
  const alone: Waiting[] = []
  let groups = 0
  let lone = 0
  let isTimed = false
  let isCalled = false

  const startGroup = (): void => {
    for (const { resolve } of queue.filter((waiting) => waiting.isAnswered())) resolve('taken')
    const unanswered = queue.filter((waiting) => !waiting.isAnswered())
    const group = unanswered.slice(0, ROWS_MAX)
    queue = unanswered.slice(ROWS_MAX)
    if (group.length === 0) return
    groups += 1
    void commit(store, group).then((apart) => {
      groups -= 1
      alone.push(...apart)
      pump()
    })
  }
  const startLone = (waiting: Waiting): void => {
    lone += 1
    void commit(store, [waiting]).then(() => {
      lone -= 1
      pump()
    })
  }
  const mayStart = (): boolean => queue.length > 0 && groups < BUSY_FROM
  const pump = (): void => {
    isCalled = false
    for (const waiting of alone.splice(0, LONE_MAX - lone)) startLone(waiting)
    while (mayStart()) startGroup()
    if (queue.length > 0 && !isTimed) void passLater()
  }
  const passLater = async (): Promise<void> => {
    const [first] = queue
    isTimed = true
    await sleep(STUCK_AFTER_MS)
    isTimed = false
    // The one that was first then is still waiting.
    if (queue.length > 0 && queue[0] === first && groups < GROUPS_MAX) startGroup()
    pump()
  }

  return (message, isAnswered) =>
    new Promise((resolve, reject) => {
      queue.push({ message, isAnswered, resolve, reject })
      // Not at once: what the sockets hold in this turn of the event loop goes together.
      if (!isCalled) setImmediate(pump)
      isCalled = true
    })
}

/** Gives those that have to be tried by themselves; all others have been answered. */
async function commit(store: MessageStore, group: readonly Waiting[]): Promise<readonly Waiting[]> {
  try {
    const insertions = await store.insert(
      group.map(({ message }) => message),
      { isGroup: group.length > 1 },
    )
    group.forEach(({ resolve }, index) => resolve(insertions[index] ?? 'taken'))
    return []
  } catch (error) {
    if (group.length > 1 && isOfOneRow(error)) return group
    for (const { reject } of group) reject(error)
    return []
  }
}

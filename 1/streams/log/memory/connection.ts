import { LogError } from '../port.ts'

/** Runs a task later, never at once: the order between tasks is the scheduler's to choose. */
export type Schedule = (task: () => void) => void

/** One process as the log sees it: everything that it opened dies with it. */
export interface Peer {
  alive: boolean
  closed: boolean
  /** What has come for a process that stands still, until it goes on. */
  held: (() => void)[] | undefined
}

/**
 * Requests in the order sent, replies and events in the order answered, as on one TCP connection.
 * Between two connections nothing is promised. Of a crashed peer nothing arrives any more and no
 * promise of it ever settles: a dead process does not run its error handling either.
 */
export class Connection {
  readonly #schedule: Schedule
  readonly #peer: Peer
  readonly #requests: (() => void)[] = []
  readonly #replies: (() => void)[] = []

  constructor(schedule: Schedule, peer: Peer) {
    this.#schedule = schedule
    this.#peer = peer
  }

  get alive(): boolean {
    return this.#peer.alive
  }

  /** Later, when the process goes on; at once when it does not stand still. */
  whenGoing(task: () => void): void {
    if (this.#peer.held === undefined) task()
    else this.#peer.held.push(task)
  }

  /** `work` runs at the broker; what it returns or throws travels back. */
  request<T>(work: () => T): Promise<T> {
    if (this.#peer.closed) return Promise.reject(new LogError('fatal', 'the client is closed'))
    return new Promise<T>((resolve, reject) => {
      this.#enqueue(this.#requests, () => this.#answer(work, resolve, reject))
    })
  }

  /** Something that the broker sends unasked, in order with the replies. */
  receive(task: () => void): void {
    this.#enqueue(this.#replies, () => this.whenGoing(task))
  }

  #answer<T>(work: () => T, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    try {
      const value = work()
      this.receive(() => resolve(value))
    } catch (error) {
      this.receive(() => reject(error))
    }
  }

  // Whichever turn comes first takes the head of the queue, so any order of turns keeps the queue's
  // order.
  #enqueue(queue: (() => void)[], task: () => void): void {
    queue.push(task)
    this.#schedule(() => {
      const head = queue.shift()
      if (head !== undefined && this.#peer.alive) head()
    })
  }
}

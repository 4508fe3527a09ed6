import type { SharedState } from '../../redis.ts'

/**
 * How a word is written. `new`: only where none stands about the command yet. `first`: this process
 * has not told Redis yet when to forget the command. `more`: it has.
 */
export type Mode = 'new' | 'first' | 'more'

interface Write {
  readonly key: string
  readonly field: string
  readonly value: string
  readonly mode: Mode
  readonly settle: (isWritten: boolean | undefined) => void
}

const TTL_S = 259_200
/** A script holds up everybody else at Redis: so many writes take it about a millisecond. */
const TOGETHER_MAX = 500

/** KEYS[i] the command; ARGV[1] its life in seconds, then mode, field and value of each. */
const WRITE = `
local written = {}
for i, key in ipairs(KEYS) do
  local mode, field, value = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  if mode == 'new' then
    written[i] = redis.call('HSETNX', key, field, value)
  else
    redis.call('HSET', key, field, value)
    written[i] = 1
  end
  if mode ~= 'more' then redis.call('EXPIRE', key, ARGV[1]) end
end
return written
`

/**
 * The words that commands write about themselves, in groups: all of one turn of the event loop are
 * one call of Redis. A call for each costs the process, and Redis, more than the word.
 */
export class JournalWrites {
  readonly #shared: SharedState
  // Bounded by the commands in work.
  #waiting: Write[] = []

  constructor(shared: SharedState) {
    this.#shared = shared
  }

  /**
   * False when mode `new` has found a word; undefined when Redis could not be asked, and then
   * nobody knows.
   */
  write(key: string, field: string, value: string, mode: Mode): Promise<boolean | undefined> {
    return new Promise((settle) => {
      if (this.#waiting.push({ key, field, value, mode, settle }) === 1) setImmediate(() => this.flush())
    })
  }

  /** Before anything else is asked of Redis about a command: calls are answered in order. */
  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (let from = 0; from < waiting.length; from += TOGETHER_MAX)
      void this.#send(waiting.slice(from, from + TOGETHER_MAX))
  }

  async #send(writes: readonly Write[]): Promise<void> {
    const keys: string[] = []
    const words: (string | number)[] = [TTL_S]
    for (const { key, mode, field, value } of writes) {
      keys.push(key)
      words.push(mode, field, value)
    }
    const answer = await this.#shared.attempt((redis) => redis.eval(WRITE, keys.length, ...keys, ...words))
    const written: readonly unknown[] | undefined = Array.isArray(answer) ? answer : undefined
    for (const [at, { settle }] of writes.entries()) settle(written && written[at] === 1)
  }
}

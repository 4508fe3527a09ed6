import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A part of this benchmark in a process of its own, which speaks in objects with a `kind`. */
export class Part {
  readonly #child: ChildProcess
  readonly #name: string

  constructor(file: string, given: Readonly<Record<string, unknown>>, nodeOptions: readonly string[] = []) {
    this.#name = file
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(given)], {
      execArgv: [...nodeOptions, '--import', 'tsx'],
    })
  }

  say(word: string): void {
    this.#child.send(word)
  }

  /** The next message of this kind; rejects when the process ends before. */
  told(kind: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`${this.#name} ended`))
      const heard = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || !('kind' in message)) return
        if (message.kind !== kind) return
        this.#child.off('message', heard)
        this.#child.off('exit', ended)
        resolve(message)
      }
      this.#child.on('message', heard)
      this.#child.once('exit', ended)
    })
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.send('end')
    await ended
  }
}

/** In a part: what it was given. It ends with the benchmark, however that ends. */
export function given(): unknown {
  process.once('disconnect', () => process.exit(1))
  return JSON.parse(process.argv[2] ?? '{}')
}

/** In a part. */
export const tell = (message: { readonly kind: string; readonly [field: string]: unknown }): void =>
  void process.send?.(message)

/** In a part: calls `act` when the benchmark says `word`. */
export function onWord(word: string, act: () => void): void {
  process.on('message', (said) => {
    if (said === word) act()
  })
}

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('bridges-child.suite.ts', import.meta.url))

/** What a process of bridges is between. */
export interface ChildrenOptions {
  readonly natsUrl: string
  readonly brokers: string
  readonly prefix: string
  readonly group: string
}

/** All bridges as processes of their own, to be stopped and killed. */
export class BridgeChildren {
  readonly #args: readonly string[]
  readonly #running = new Set<ChildProcess>()

  constructor({ natsUrl, brokers, prefix, group }: ChildrenOptions) {
    this.#args = ['--import', 'tsx', CHILD, natsUrl, brokers, prefix, group]
  }

  start(): ChildProcess {
    const child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'ignore', 'inherit'] })
    this.#running.add(child)
    return child
  }

  kill(child: ChildProcess): Promise<void> {
    this.#running.delete(child)
    return new Promise((resolve) => {
      child.once('exit', () => resolve())
      // One that has ended by itself says so no more.
      if (!child.kill('SIGKILL')) resolve()
    })
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.kill(child)))
  }
}

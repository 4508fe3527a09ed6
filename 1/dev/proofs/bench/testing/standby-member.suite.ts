import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { sleep } from '../../../../streams/platform/backoff.ts'

const Told = z.object({
  event: z.enum(['restored', 'committed', 'running', 'closed', 'failed', 'standby']),
  partition: z.number(),
  /** Null: nobody has looked at the copy yet. */
  records: z.number().nullable(),
  atMs: z.number(),
})
export type Told = z.infer<typeof Told>

export interface MemberOptions {
  readonly scene: string
  readonly directory: string
  readonly replicas: number
}

const WITHIN_MS = 180_000
const LOOK_MS = 10

/** One process of the benchmark, and what it has told so far. */
export class Member {
  readonly told: Told[] = []
  readonly #child: ChildProcess

  constructor({ scene, directory, replicas }: MemberOptions) {
    const script = fileURLToPath(new URL('standby-member.fixture.ts', import.meta.url))
    const options = ['--scene', scene, '--directory', directory, '--replicas', String(replicas)]
    this.#child = spawn(process.execPath, ['--import', 'tsx', script, ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (this.#child.stdout === null) throw new Error('a member without an output')
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.told.push(Told.parse(JSON.parse(line)))
    })
  }

  /**
   * The first event of its kind at or after `sinceMs`; of any partition, with any number of
   * records, unless these are given.
   */
  async first(event: Told['event'], sinceMs: number, partition?: number, records?: number): Promise<Told> {
    const isIt = (one: Told): boolean =>
      one.event === event &&
      one.atMs >= sinceMs &&
      (partition === undefined || one.partition === partition) &&
      (records === undefined || one.records === records)
    const deadlineMs = Date.now() + WITHIN_MS
    while (Date.now() < deadlineMs && !this.told.some((one) => one.event === 'failed')) {
      const found = this.told.find(isIt)
      if (found !== undefined) return found
      await sleep(LOOK_MS)
    }
    throw new Error(`a member never told of ${event}`)
  }

  /** The partition that it runs now. */
  owned(): number {
    const last = this.told.findLast(({ event }) => event === 'committed')
    if (last === undefined) throw new Error('a member without a partition')
    return last.partition
  }

  last(event: Told['event'], partition: number): Told | undefined {
    return this.told.findLast((one) => one.event === event && one.partition === partition)
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill(signal)
    await ended
  }
}

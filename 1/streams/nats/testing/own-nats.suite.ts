import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { answers } from '../../../dev/stack/answers.ts'
import { startChild, type Child } from '../../../dev/stack/child.ts'
import { freePort } from '../../../dev/stack/ports.ts'

/**
 * A nats-server of one's own, because streams and subjects have fixed names. It can be killed and
 * started again.
 */
export class OwnNats {
  readonly #folder = mkdtempSync(join(tmpdir(), 'bridge-nats-'))
  readonly #port: number
  readonly #options: readonly string[]
  #child: Child | undefined

  private constructor(port: number, options: readonly string[]) {
    this.#port = port
    this.#options = options
  }

  /** @param options more arguments of nats-server, for example a user or a certificate. */
  static async start(options: readonly string[] = []): Promise<OwnNats> {
    const nats = new OwnNats(await freePort(), options)
    await nats.start()
    return nats
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`
  }

  get url(): string {
    return `nats://${this.host}`
  }

  /** On the same port, with everything that the last one had on its disk. */
  async start(): Promise<void> {
    const args = [
      '--addr',
      '127.0.0.1',
      '--port',
      String(this.#port),
      '--jetstream',
      '--store_dir',
      this.#folder,
      ...this.#options,
    ]
    const spec = {
      name: 'nats',
      command: 'nats-server',
      args,
      cwd: this.#folder,
      logFile: join(this.#folder, 'nats.log'),
      stopSignal: 'SIGTERM' as const,
      stopWithinMs: 10_000,
      readyWithinMs: 20_000,
      isReady: () => answers(this.#port, '', '"jetstream":true'),
    }
    this.#child = await startChild(spec, () => {}, new AbortController().signal)
  }

  async kill(): Promise<void> {
    await this.#child?.crash()
  }

  async close(): Promise<void> {
    await this.#child?.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

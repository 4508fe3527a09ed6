import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import { startChild, type Child } from '../stack/child.ts'
import { recordProcess, type RunFolder } from '../stack/run-folder.ts'

/**
 * One process of the platform, as it is started in production but through tsx: no build between an
 * edit and a run.
 */
export interface ServiceSpec {
  readonly name: string
  /** Relative to the root of the project. */
  readonly script: string
  readonly env: Readonly<Record<string, string>>
  /** Options of Node itself, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[]
  /** How it shows that it can work: an address that answers 200, or, without HTTP, an open port. */
  readonly ready: { readonly url: string } | { readonly port: number }
}

/**
 * MiB. What a service makes lives for a round or a request; with Node's 16 much of it is copied
 * before it dies. The image sets the same.
 */
export const YOUNG_SPACE = '--max-semi-space-size=64'
const READY_WITHIN_MS = 90_000
const STOP_WITHIN_MS = 20_000
const PROBE_MS = 2000

export class Service {
  readonly spec: ServiceSpec
  readonly logFile: string
  readonly #run: RunFolder
  readonly #root: string
  readonly #abort: AbortSignal
  #child: Child | undefined

  constructor(spec: ServiceSpec, run: RunFolder, root: string, abort: AbortSignal) {
    this.spec = spec
    this.logFile = join(run.path, `${spec.name}.log`)
    this.#run = run
    this.#root = root
    this.#abort = abort
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(): Promise<void> {
    const { name, script, env, ready, nodeOptions = [] } = this.spec
    this.#child = await startChild(
      {
        name,
        command: process.execPath,
        args: [YOUNG_SPACE, ...nodeOptions, '--import', 'tsx', script],
        cwd: this.#root,
        logFile: this.logFile,
        env: { ...process.env, ...env },
        stopSignal: 'SIGTERM',
        stopWithinMs: STOP_WITHIN_MS,
        readyWithinMs: READY_WITHIN_MS,
        isReady: () => ('url' in ready ? answersOk(ready.url) : acceptsTcp(ready.port)),
      },
      (pid) => recordProcess(this.#run, name, pid, 'SIGTERM'),
      this.#abort,
    )
  }

  async stop(): Promise<void> {
    await this.#child?.stop()
    this.#child = undefined
  }

  /** kill -9: nothing is flushed, nothing is said. */
  async crash(): Promise<void> {
    await this.#child?.crash()
    this.#child = undefined
  }
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_MS) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

const acceptsTcp = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const finish = (accepted: boolean): void => {
      socket.destroy()
      resolve(accepted)
    }
    socket.setTimeout(PROBE_MS, () => finish(false))
    socket.on('connect', () => finish(true))
    socket.on('error', () => finish(false))
  })

/** A script that ends, such as a migration. */
export type ScriptSpec = Omit<ServiceSpec, 'ready'>

/** Rejects with what the script printed when it fails. */
export async function runOnce(spec: ScriptSpec, root: string, abort: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', spec.script],
      { cwd: root, env: { ...process.env, ...spec.env }, signal: abort },
      (error, stdout, stderr) => {
        if (error === null) resolve()
        else reject(new Error(`${spec.name} failed:\n${stdout}${stderr}`, { cause: error }))
      },
    )
  })
}

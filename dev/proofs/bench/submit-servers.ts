import { fork, spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Koa from 'koa'
import { Pool } from 'pg'
import { z } from 'zod'
import { sleep } from '../../../streams/platform/backoff.ts'
import type { Closers } from '../../../streams/platform/process.ts'
import { runOrExplain } from '../../stack/command.ts'
import { freePort } from '../../stack/ports.ts'
import { stackRoot } from '../../stack/run-folder.ts'

/** A process that answers submits. */
export interface Server {
  readonly port: number
  readonly pid: number
}

const ADDRESS = '127.0.0.1'
/** As the image sets it (Dockerfile), for both. */
const NODE_OPTIONS = ['--max-semi-space-size=64']
/** As many connections as the API has for its submits. */
const BARE_CONNECTIONS = 12
const READY_LOOK_MS = 100
const root = join(stackRoot, '..')

/**
 * The API as it is deployed: compiled, by its own main program, writing its log, to nowhere. From
 * its sources it would spend a tenth more on what the loader adds to them.
 */
export async function startApi(given: Record<string, string>, closers: Closers): Promise<Server> {
  const built = join(stackRoot, `build-${process.pid}`)
  closers.add('build', built, async (path) => rmSync(path, { recursive: true, force: true }))
  const compiler = join(root, 'node_modules', '.bin', 'tsc')
  await runOrExplain('tsc', compiler, ['-p', 'tsconfig.build.json', '--outDir', built], { cwd: root })
  const port = await freePort()
  const child = spawn(process.execPath, [...NODE_OPTIONS, join(built, 'api', 'main.js')], {
    env: { ...process.env, ...given, NODE_ENV: 'production', HOST: ADDRESS, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  killed(child, 'api', closers)
  while (!(await isReady(port))) {
    if (child.exitCode !== null) throw new Error(`the API ended with ${child.exitCode}`)
    await sleep(READY_LOOK_MS)
  }
  return { port, pid: child.pid ?? 0 }
}

const isReady = async (port: number): Promise<boolean> =>
  fetch(`http://${ADDRESS}:${port}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  )

export async function startBare(databaseUrl: string, closers: Closers): Promise<Server> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], {
    execArgv: [...NODE_OPTIONS, '--import', 'tsx'],
    env: { ...process.env, NODE_ENV: 'production', DATABASE_URL: databaseUrl },
  })
  killed(child, 'bare', closers)
  const message = await new Promise<unknown>((resolve) => void child.once('message', resolve))
  return { port: z.object({ port: z.number() }).parse(message).port, pid: child.pid ?? 0 }
}

function killed(child: ChildProcess, what: string, closers: Closers): void {
  closers.add(what, child, async (open) => {
    if (!open.kill('SIGKILL')) return
    await once(open, 'exit')
  })
}

/**
 * The least that a submit could be: one row, one commit as durable as ours, one answer. It looks at
 * nothing of the request.
 */
async function serveBare(): Promise<void> {
  const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: BARE_CONNECTIONS })
  const app = new Koa()
  app.use(async (ctx) => {
    const messageId = randomUUID()
    await pool.query({
      name: 'bare',
      text: `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body,
          segment_count, message_type, encoding, status, enqueued_at, status_updated_at, expires_at)
        VALUES ($1, $1, $1, '+447700900123', 'GHASI', 'Your code is 4711', 1, 'SMS', 'GSM7', 'QUEUED', now(), now(),
          now() + interval '2 days')`,
      values: [messageId],
    })
    ctx.status = 202
    ctx.body = { messageId, status: 'QUEUED' }
  })
  const server = app.listen(0, ADDRESS)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the bare route has no TCP port')
  process.send?.({ port: address.port })
}

if (process.argv[2] === 'serve' && process.argv[1] === fileURLToPath(import.meta.url)) await serveBare()

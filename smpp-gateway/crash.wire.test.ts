import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Recorded, SubmitEntry } from '../dev/neighbours/smsc/journal.ts'
import type { Smsc } from '../dev/neighbours/smsc/smsc.ts'
import { freePort } from '../dev/stack/ports.ts'
import type { DispatchCommand, SubmitResult } from '../streams/contracts/outbound.ts'
import { encodePdu, isResponse, type Pdu } from './smpp/pdu.ts'
import { Peer } from './smpp/testing/peer.suite.ts'
import { phone, until } from './testing/invented.suite.ts'
import { envOf, Rig, TOKEN } from './testing/rig.suite.ts'

let rig: Rig
beforeEach(() => {
  rig = new Rig()
})
afterEach(() => rig.close())

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

interface GatewayProcess {
  readonly child: ChildProcess
  inDoubt(): Promise<number>
  kill(): Promise<void>
}

/** The real process, so that SIGKILL leaves exactly what a crash leaves. */
async function spawnGateway(more: NodeJS.ProcessEnv = {}): Promise<GatewayProcess> {
  const port = await freePort()
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      OPERATOR_IDS: rig.operatorId,
      OPERATOR_MGMT_URL: `http://127.0.0.1:${rig.management.port}`,
      INTERNAL_SERVICE_TOKEN: TOKEN,
      NATS_URL: envOf('NATS_URL'),
      REDIS_URL: envOf('REDIS_URL'),
      PORT: String(port),
      ...more,
    },
  })
  child.stdout.on('data', (chunk: Buffer) => rig.log.push(chunk.toString()))
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  rig.onClose(kill)
  await until(async () => (await answerOf(`http://127.0.0.1:${port}/health/ready`)).status === 200, 60_000)
  const inDoubt = async (): Promise<number> => {
    const { text } = await answerOf(`http://127.0.0.1:${port}/metrics`)
    return Number(/^smpp_connector_in_doubt_total\{.*\} (\d+)$/m.exec(text)?.[1] ?? 0)
  }
  return { child, inDoubt, kill }
}

async function answerOf(url: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url)
    return { status: response.status, text: await response.text() }
  } catch {
    // The process is not listening yet.
    return { status: 0, text: '' }
  }
}

const submitsOf = (smsc: Smsc): readonly SubmitEntry[] =>
  smsc.entries().filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')

const isComplete = (
  results: readonly SubmitResult[],
  command: DispatchCommand,
  segments: number,
): boolean => {
  const indexes = results
    .filter((result) => result.messageId === command.messageId)
    .map((r) => r.segmentIndex)
  return new Set(indexes).size === segments
}

async function openAround(responseDelayMs: number): Promise<Smsc> {
  await rig.openNats()
  // A short ack wait: the killed process cannot give its commands back.
  await rig.addDurable(rig.operatorId, 2_500)
  const smsc = await rig.openSmsc({}, { responseDelayMs })
  await rig.openManagement(smsc.port)
  return smsc
}

describe('CON-5.5 killed at any step', () => {
  it('resumes at the first segment without a result: only the segment that was on its way is sent twice', async () => {
    const smsc = await openAround(200)
    const heard = await rig.hear()
    const first = await spawnGateway()
    const command = await rig.send({ to: phone('916'), body: 'a'.repeat(700) })
    await until(() => submitsOf(smsc).length === 3)
    await first.kill()
    expect(heard.results.map((result) => result.segmentIndex)).toEqual([1, 2])
    await rig.setLease('over', 1)
    const second = await spawnGateway()
    await until(() => isComplete(heard.results, command, 5), 20_000)
    expect(submitsOf(smsc).map((submit) => submit.index)).toEqual([1, 2, 3, 3, 4, 5])
    expect(new Set(submitsOf(smsc).map((submit) => submit.reference)).size).toBe(1)
    expect(await second.inDoubt()).toBe(1)
    await until(async () => (await rig.unacknowledged()) === 0)
  }, 180_000)

  it('killed twice under load: every segment gets a result, and each one sent twice was in doubt', async () => {
    const smsc = await openAround(20)
    const heard = await rig.hear()
    const commands: DispatchCommand[] = []
    for (let turn = 0; turn < 60; turn++)
      commands.push(await rig.send({ to: phone('916'), body: `${turn}`.padEnd(400, 'b') }))
    let inDoubt = 0
    for (const atSubmits of [40, 110]) {
      const running = await spawnGateway()
      await until(() => submitsOf(smsc).length >= atSubmits, 20_000)
      inDoubt += await running.inDoubt()
      await running.kill()
      await rig.setLease('over', 1)
    }
    const last = await spawnGateway()
    await until(() => commands.every((command) => isComplete(heard.results, command, 3)), 90_000)
    await until(async () => (await rig.unacknowledged()) === 0)
    inDoubt += await last.inDoubt()
    const { duplicates, taken } = smsc.counters()
    expect(taken - duplicates).toBe(180)
    expect(duplicates).toBeLessThanOrEqual(inDoubt)
    // A window of 10, and the four that are made ready ahead of it, at each of two kills.
    expect(inDoubt).toBeLessThanOrEqual(28)
    expect(heard.results.every((result) => result.outcome === 'ACCEPTED')).toBe(true)
  }, 300_000)

  it('[SD1] SIGTERM lets open responses finish, tells UNBOUND and gives the lease back', async () => {
    const smsc = await openAround(300)
    const heard = await rig.hear()
    const running = await spawnGateway()
    for (let turn = 0; turn < 15; turn++) await rig.send({ to: phone('916'), body: 'c'.repeat(200) })
    await until(() => submitsOf(smsc).length === 10)
    running.child.kill('SIGTERM')
    await once(running.child, 'exit')
    expect(running.child.exitCode).toBe(0)
    expect(submitsOf(smsc)).toHaveLength(10)
    expect(heard.results).toHaveLength(10)
    expect(smsc.entries().map((entry) => entry.kind)).toContain('unbind')
    expect(heard.health.at(-1)).toMatchObject({
      status: 'UNBOUND',
      previousStatus: 'BOUND',
      reason: 'shutdown',
    })
    // Another process goes on at once, without a PDU too many.
    await spawnGateway()
    await until(() => heard.results.length === 30, 30_000)
    expect(submitsOf(smsc)).toHaveLength(30)
  }, 180_000)
})

/** Takes every bind and every submit. */
const answers = (pdu: Pdu): readonly Buffer[] => {
  if (pdu.command === 'submit_sm')
    return [encodePdu('submit_sm_resp', pdu.sequence, { message_id: String(pdu.sequence) })]
  return isResponse(pdu) ? [] : [encodePdu(`${pdu.command}_resp`, pdu.sequence, {})]
}

describe('[B3] frozen for longer than its lease lives', () => {
  it('a process that wakes beside its successor writes nothing to the operator but its unbind', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId, 2_500)
    const heard = await rig.hear()
    const operator = new Peer(answers)
    await rig.openManagement(await operator.listen())
    rig.onClose(() => operator.close())
    const frozen = await spawnGateway()
    const command = await rig.send()
    await until(() => isComplete(heard.results, command, 1))
    frozen.child.kill('SIGSTOP')
    const successor = await rig.startGateway()
    await until(() => successor.gateway.operators.get(rig.operatorId)?.view.state === 'BOUND', 60_000)
    // It would be answered as soon as it is read.
    operator.sendTo(0, encodePdu('enquire_link', 4_711, {}))
    frozen.child.kill('SIGCONT')
    await until(() => operator.open === 1, 30_000)
    expect(operator.heardOf('enquire_link_resp').map(({ sequence }) => sequence)).not.toContain(4_711)
    expect(operator.heardOf('unbind')).toHaveLength(1)
    expect(operator.heardOf('bind_transceiver')).toHaveLength(2)
  }, 240_000)
})

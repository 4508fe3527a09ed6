import { setMaxListeners } from 'node:events'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { IdentityProvider } from '../../neighbours/identity-provider/identity.ts'
import type { PlannedMessage } from './plan.ts'

/**
 * The client: submits the plan over HTTP with a bounded number of requests in flight. A request
 * whose outcome is unknown (connection cut, 503) is made again with the same Idempotency-Key until
 * it is answered, as a careful client would.
 */
export interface Accepted {
  readonly message: PlannedMessage
  readonly messageId: string
  readonly enqueuedAt: string
  /** When the client had the 202, by its own clock. */
  readonly acceptedMs: number
}

export interface TrafficResult {
  readonly accepted: readonly Accepted[]
  /** Repeated submissions that were answered as replays with the first reply. */
  readonly replayed: number
  /** What should not have happened, by token. */
  readonly faults: readonly string[]
  readonly startedMs: number
}

export interface TrafficOptions {
  readonly apiUrl: string
  readonly identity: IdentityProvider
  readonly plan: readonly PlannedMessage[]
  readonly inFlight: number
  /** Submissions are spread evenly at this rate; absent: each as soon as one before it is done. */
  readonly perSecond?: number
  readonly abort: AbortSignal
  readonly onAccepted: (count: number) => void
}

export const DEMO_TENANTS = [
  { tenantId: '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21', accountId: 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33' },
  { tenantId: '2c8e5f7a-9b41-4d0c-8c3e-5d2b7a6f1e90', accountId: '9e4d2b1c-6f3a-4a5b-9c8d-1e0f2a3b4c5d' },
] as const
export const SAMPLE_IDENTITY = DEMO_TENANTS[0]

const TRIES_MAX = 120
const RETRY_MS = 500
const REQUEST_MS = 15_000
const Reply = z.object({ messageId: z.string(), segmentCount: z.number(), enqueuedAt: z.string() })

interface Answer {
  readonly status: number
  readonly replayed: boolean
  readonly body: string
}

export async function sendTraffic(options: TrafficOptions): Promise<TrafficResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.inFlight })
  const tokens = await Promise.all(DEMO_TENANTS.map((tenant) => options.identity.token(tenant)))
  const accepted: Accepted[] = []
  const faults: string[] = []
  let replayed = 0
  const startedMs = Date.now()
  // Each client listens in its pauses, so the warning of a leak at eleven listeners would be false.
  setMaxListeners(0, options.abort)
  const waiting = options.plan.toReversed()
  const client = async (): Promise<void> => {
    for (let message = waiting.pop(); message !== undefined; message = waiting.pop()) {
      await untilTurn(options, startedMs, options.plan.length - waiting.length - 1)
      if (options.abort.aborted) return
      const outcome = await submit(options, agent, tokens[message.tenant] ?? '', message)
      if (outcome.fault !== undefined) faults.push(outcome.fault)
      if (outcome.accepted !== undefined) accepted.push(outcome.accepted)
      if (outcome.replayed) replayed += 1
      options.onAccepted(accepted.length)
    }
  }
  await Promise.all(Array.from({ length: options.inFlight }, client))
  agent.destroy()
  return { accepted, replayed, faults, startedMs }
}

async function untilTurn(
  { perSecond, abort }: TrafficOptions,
  startedMs: number,
  index: number,
): Promise<void> {
  if (perSecond === undefined) return
  const pauseMs = startedMs + (index * 1000) / perSecond - Date.now()
  if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: abort }).catch(() => undefined)
}

interface Submitted {
  readonly accepted?: Accepted
  readonly replayed: boolean
  readonly fault?: string
}

async function submit(
  options: TrafficOptions,
  agent: Agent,
  token: string,
  message: PlannedMessage,
): Promise<Submitted> {
  const first = await insist(options, agent, token, message)
  if (first.status !== 202) return { replayed: false, fault: `${message.token}: answered ${first.status}` }
  const acceptedMs = Date.now()
  const reply = Reply.parse(JSON.parse(first.body))
  const accepted = { message, messageId: reply.messageId, enqueuedAt: reply.enqueuedAt, acceptedMs }
  if (reply.segmentCount !== message.segments) {
    return { accepted, replayed: false, fault: `${message.token}: ${reply.segmentCount} segments` }
  }
  if (!message.repeated) return { accepted, replayed: false }
  const second = await insist(options, agent, token, message)
  if (second.replayed && second.status === 202 && second.body === first.body)
    return { accepted, replayed: true }
  return { accepted, replayed: false, fault: `${message.token}: the repeated submission was no replay` }
}

async function insist(
  options: TrafficOptions,
  agent: Agent,
  token: string,
  message: PlannedMessage,
): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await post(options.apiUrl, agent, token, message).catch(() => undefined)
    if (answer !== undefined && answer.status !== 503) return answer
    if (attempt >= TRIES_MAX) return answer ?? { status: 0, replayed: false, body: '' }
    await sleep(RETRY_MS, undefined, { signal: options.abort }).catch(() => undefined)
  }
}

function post(apiUrl: string, agent: Agent, token: string, message: PlannedMessage): Promise<Answer> {
  const body = JSON.stringify({
    to: message.to,
    from: message.from,
    body: message.body,
    messageType: message.messageType,
    metadata: { demo: 'yes' },
  })
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-tenant-id': DEMO_TENANTS[message.tenant]?.tenantId ?? '',
    'idempotency-key': message.idempotencyKey,
  }
  return new Promise((resolve, reject) => {
    const sent = request(
      `${apiUrl}/v1/sms/send`,
      { method: 'POST', agent, headers, timeout: REQUEST_MS },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            replayed: response.headers['idempotency-replayed'] === 'true',
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        )
      },
    )
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.on('error', reject)
    sent.end(body)
  })
}

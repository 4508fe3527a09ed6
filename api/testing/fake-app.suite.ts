import { createInstruments, type Instruments } from '../instruments.ts'
import type { MessageReader } from '../reading/message-reader.ts'
import { admission } from '../middleware/admission.ts'
import { call, type Answer, type CallOptions } from './call.suite.ts'
import { listen } from '../listener.ts'
import { createApp, type AppDeps } from '../server.ts'
import type { SubmitReply } from '../submit/idempotency.ts'
import type { SubmitItem, SubmitOutcome, SubmitRequest } from '../submit/submit.ts'
import type { AdminDesk } from '../routes/admin/desk.ts'
import type { GatewayProof } from '../middleware/gateway-proof.ts'
import type { Scope, TokenClaims } from '../middleware/token.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'

export const tenantId = '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21'
export const accountId = 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33'
export const messageId = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7'
export const requestId = '0195f7c2-5d0e-7aa1-8d3b-2f9c61f4e0aa'
export const nowMs = Date.parse('2026-04-18T10:23:40.000Z')

export const reply: SubmitReply = {
  messageId,
  status: 'QUEUED',
  segmentCount: 1,
  encoding: 'GSM7',
  enqueuedAt: '2026-04-18T10:23:40.000Z',
}

export const goodBody = { to: '+447700900123', from: 'GHASI', body: 'Your code is 4711' }
export const goodHeaders = {
  Authorization: 'Bearer good',
  'X-Tenant-Id': tenantId,
  'X-Request-Id': requestId,
  'Content-Type': 'application/json',
}

export const claims = (scopes: readonly Scope[] = ['sms:send', 'sms:read']): TokenClaims => ({
  tenantId,
  accountId,
  scopes: new Set(scopes),
  platformAdmin: false,
  subject: 'ann',
})

export interface FakeApp {
  readonly instruments: Instruments
  readonly metrics: Metrics
  /** What reached the use case. */
  readonly submitted: SubmitRequest[]
  readonly url: string
  call(path: string, options?: CallOptions): Promise<Answer>
  send(body: unknown, headers?: CallOptions['headers']): Promise<Answer>
  close(): Promise<void>
}

export interface Fakes {
  /** Of each item. */
  readonly outcome?: (item: SubmitItem) => Promise<SubmitOutcome>
  readonly reader?: Partial<MessageReader>
  readonly tokens?: Readonly<Record<string, TokenClaims>>
  readonly gateway?: GatewayProof
  readonly app?: Partial<AppDeps>
}

/** There is nothing to administer. */
export const emptyDesk: AdminDesk = {
  listQuarantine: async () => ({ receipts: [], nextCursor: null }),
  findQuarantined: async () => undefined,
  release: async () => ({ kind: 'unknown' }),
  async *exportOrphans() {},
  reconcile: async () => ({ kind: 'unknown' }),
}

const newId = () => 'c0ffee00-0000-4000-8000-000000000000'

/**
 * The whole Koa app behind a port of this process, with fakes in place of everything that it talks
 * to.
 */
export async function fakeApp(fakes: Fakes = {}): Promise<FakeApp> {
  const metrics = new Metrics()
  const instruments = createInstruments(metrics)
  const submitted: SubmitRequest[] = []
  const tokens: Readonly<Record<string, TokenClaims>> = fakes.tokens ?? { good: claims() }
  const app = createApp({
    metrics,
    instruments,
    logger: silentLogger,
    metricAliases: false,
    flags: () => ({ enabled: true, shadow: false }),
    gate: admission(256),
    now: () => nowMs,
    monotonicMs: () => performance.now(),
    newId,
    ready: async () => ({ ready: true, details: {} }),
    credentials: { verify: async (token) => tokens[token], gateway: fakes.gateway },
    cancel: async () => ({ kind: 'unknown' }),
    admin: emptyDesk,
    reader: {
      message: async () => undefined,
      segments: async () => undefined,
      list: async () => ({ messages: [], nextCursor: null }),
      ...fakes.reader,
    },
    submit: (request) => {
      submitted.push(request)
      const outcome = fakes.outcome ?? (() => Promise.resolve({ kind: 'accepted', reply } as const))
      return Promise.all(request.items.map(outcome))
    },
    ...fakes.app,
  })
  const listener = await listen({ handler: app.callback(), host: '127.0.0.1', port: 0, graceMs: 0, newId })
  const at = (path: string) => `http://127.0.0.1:${listener.port}${path}`
  return {
    instruments,
    metrics,
    submitted,
    url: at(''),
    call: (path, options) => call(at(path), options),
    send: (body, headers = goodHeaders) =>
      call(at('/v1/sms/send'), {
        method: 'POST',
        headers,
        body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      }),
    close: () => listener.close(),
  }
}

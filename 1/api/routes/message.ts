import { uuid } from '../../streams/contracts/topic.ts'
import type { Instruments } from '../instruments.ts'
import { MESSAGE_ID, type Operation } from '../openapi/operation.ts'
import type { MessageReader } from '../reading/message-reader.ts'
import { MessageView } from '../reading/message-view.ts'
import { admitted, type Admission } from '../middleware/admission.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import { Problem } from '../problem.ts'
import { identityOf, type ApiMiddleware, type ApiRouteContext, type ApiRouter } from '../state.ts'

export interface ReadDeps {
  readonly identify: ApiMiddleware
  readonly gate: Admission
  readonly reader: MessageReader
  readonly instruments: Instruments
}

export const MESSAGE_EXAMPLE = {
  messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
  to: '+447700900123',
  from: 'GHASI',
  messageType: 'SMS',
  metadata: { campaignId: 'camp-001' },
  callbackUrl: null,
  expiresAt: '2026-04-20T10:23:40.000Z',
  sendAt: null,
  status: 'DELIVERED',
  attemptCount: 0,
  operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  routeId: 'route-1',
  enqueuedAt: '2026-04-18T10:23:40.000Z',
  processedAt: '2026-04-18T10:23:46.120Z',
  lastError: null,
  segmentCount: 1,
  dlrStatus: 'DELIVERED',
  dlrReceivedAt: '2026-04-18T10:23:46.120Z',
  statusUpdatedAt: '2026-04-18T10:23:46.120Z',
}

export const messageOperation: Operation = {
  method: 'get',
  path: '/v1/sms/{messageId}',
  id: 'getSms',
  summary: 'One message',
  description: 'What has become of a message. Of another account it is not found, as if there were none.',
  scope: 'sms:read',
  parameters: [MESSAGE_ID],
  success: {
    status: 200,
    body: {
      name: 'Message',
      schema: MessageView,
      description: 'Times are null for what has not happened yet; `lastError` is null or a problem.',
      example: MESSAGE_EXAMPLE,
    },
  },
  problems: ['NOT_FOUND'],
}

/** [H3]: `GET /v1/sms/{messageId}`. */
export const addMessage = (router: ApiRouter, { identify, gate, reader, instruments }: ReadDeps): void => {
  router.get(
    '/v1/sms/:messageId',
    counted(instruments, 'message'),
    identify,
    allowed('sms:read'),
    admitted(gate),
    async (ctx) => {
      ctx.body = found(await reader.message(identityOf(ctx), messageIdOf(ctx)))
    },
  )
}

/** What is no message id names no message. */
export function messageIdOf(ctx: ApiRouteContext): string {
  const messageId = ctx.params['messageId']?.toLowerCase()
  return found(uuid.safeParse(messageId).data)
}

/**
 * The same answer for an unknown message and for another's [RD2], so that nobody can find out which
 * ids exist.
 */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Problem('NOT_FOUND')
  return value
}

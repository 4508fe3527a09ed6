import { z } from 'zod'
import { instant, uuid } from '../../streams/contracts/topic.ts'
import type { Instruments } from '../instruments.ts'
import { admitted, type Admission } from '../middleware/admission.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import { MESSAGE_ID, type Operation } from '../openapi/operation.ts'
import { Problem } from '../problem.ts'
import { identityOf, type ApiMiddleware, type ApiRouter } from '../state.ts'
import type { Cancel } from '../submit/cancel.ts'
import { messageIdOf } from './message.ts'

export interface CancelDeps {
  readonly identify: ApiMiddleware
  readonly gate: Admission
  readonly cancel: Cancel
  readonly instruments: Instruments
}

const CancelReply = z.object({ messageId: uuid, status: z.literal('SCHEDULED'), sendAt: instant })

export const cancelOperation: Operation = {
  method: 'delete',
  path: '/v1/sms/{messageId}',
  id: 'cancelSms',
  summary: 'Cancel a message that is not due yet',
  description:
    'Orders that a SCHEDULED message is not sent. Its status becomes CANCELLED; when `sendAt` comes first, the ' +
    'message is sent and its status says so.',
  scope: 'sms:send',
  parameters: [MESSAGE_ID],
  success: {
    status: 202,
    body: {
      name: 'CancelReply',
      schema: CancelReply,
      description: 'The cancel is ordered. Read the message for what has become of it.',
      example: {
        messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
        status: 'SCHEDULED',
        sendAt: '2026-04-18T12:00:00.000Z',
      },
    },
  },
  problems: ['NOT_FOUND', 'NOT_CANCELLABLE'],
}

/**
 * [H16]: `DELETE /v1/sms/{messageId}`. A client whose answer was lost asks again: the 409 tells it
 * the status, which may be CANCELLED by then.
 */
export const addCancel = (router: ApiRouter, { identify, gate, cancel, instruments }: CancelDeps): void => {
  router.delete(
    '/v1/sms/:messageId',
    counted(instruments, 'cancel'),
    identify,
    allowed('sms:send'),
    admitted(gate),
    async (ctx) => {
      const messageId = messageIdOf(ctx)
      const outcome = await cancel({ identity: identityOf(ctx), messageId, trace: ctx.state.trace })
      if (outcome.kind === 'unknown') throw new Problem('NOT_FOUND')
      if (outcome.kind === 'late')
        throw new Problem('NOT_CANCELLABLE', [{ path: 'status', message: `is ${outcome.status}` }])
      ctx.status = 202
      ctx.body = { messageId, status: 'SCHEDULED', sendAt: outcome.sendAt }
    },
  )
}

import { admitted } from '../middleware/admission.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import { z } from 'zod'
import { MESSAGE_ID, type Operation } from '../openapi/operation.ts'
import { SegmentView } from '../reading/message-reader.ts'
import { identityOf, type ApiRouter } from '../state.ts'
import { found, messageIdOf, type ReadDeps } from './message.ts'

export const segmentsOperation: Operation = {
  method: 'get',
  path: '/v1/sms/{messageId}/segments',
  id: 'getSmsSegments',
  summary: 'The segments of a message',
  description: 'A long message is sent and reported in several segments.',
  scope: 'sms:read',
  parameters: [MESSAGE_ID],
  success: {
    status: 200,
    body: {
      name: 'Segments',
      schema: z.array(SegmentView),
      description: 'One entry for each segment, `PENDING` where nothing has arrived.',
      example: [
        {
          messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
          segmentIndex: 1,
          totalSegments: 1,
          status: 'DELIVERED',
          errorCode: null,
          receivedAt: '2026-04-18T10:23:46.120Z',
        },
      ],
    },
  },
  problems: ['NOT_FOUND'],
}

/** [H4]: `GET /v1/sms/{messageId}/segments`. */
export const addSegments = (router: ApiRouter, { identify, gate, reader, instruments }: ReadDeps): void => {
  router.get(
    '/v1/sms/:messageId/segments',
    counted(instruments, 'segments'),
    identify,
    allowed('sms:read'),
    admitted(gate),
    async (ctx) => {
      ctx.body = found(await reader.segments(identityOf(ctx), messageIdOf(ctx)))
    },
  )
}

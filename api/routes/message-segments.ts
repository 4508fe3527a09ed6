import { admitted } from '../middleware/admission.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import { identityOf, type ApiRouter } from '../state.ts'
import { found, messageIdOf, type ReadDeps } from './message.ts'

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

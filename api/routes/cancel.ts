import type { Instruments } from '../instruments.ts'
import { admitted, type Admission } from '../middleware/admission.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
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

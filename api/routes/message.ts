import { uuid } from '../../streams/contracts/topic.ts'
import type { Instruments } from '../instruments.ts'
import type { MessageReader } from '../reading/message-reader.ts'
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

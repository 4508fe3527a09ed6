import { admitted } from '../middleware/admission.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import { Problem } from '../problem.ts'
import { parseQuery } from '../reading/message-list.ts'
import { identityOf, type ApiRouter } from '../state.ts'
import type { ReadDeps } from './message.ts'

/** [H15]: `GET /v1/sms`. */
export const addMessages = (router: ApiRouter, { identify, gate, reader, instruments }: ReadDeps): void => {
  router.get(
    '/v1/sms',
    counted(instruments, 'messages'),
    identify,
    allowed('sms:read'),
    admitted(gate),
    async (ctx) => {
      const parsed = parseQuery(new URLSearchParams(ctx.querystring))
      if (!parsed.ok) throw new Problem('INVALID_PAYLOAD', parsed.errors)
      ctx.body = await reader.list(identityOf(ctx), parsed.query)
    },
  )
}

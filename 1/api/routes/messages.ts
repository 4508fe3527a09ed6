import { admitted } from '../middleware/admission.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import type { Operation, Parameter } from '../openapi/operation.ts'
import { Problem } from '../problem.ts'
import { LIST_PARAMETERS, parseQuery } from '../reading/message-list.ts'
import { MessagePage } from '../reading/message-reader.ts'
import { identityOf, type ApiRouter } from '../state.ts'
import { MESSAGE_EXAMPLE, type ReadDeps } from './message.ts'

export const messagesOperation: Operation = {
  method: 'get',
  path: '/v1/sms',
  id: 'listSms',
  summary: 'The messages of the account',
  description: 'Newest first, page by page. All filters must hold.',
  scope: 'sms:read',
  parameters: LIST_PARAMETERS.map((given): Parameter => ({ in: 'query', ...given })),
  success: {
    status: 200,
    body: {
      name: 'MessagePage',
      schema: MessagePage,
      description: 'The next page is asked for with `cursor=` and `nextCursor`; null on the last one.',
      example: { messages: [MESSAGE_EXAMPLE], nextCursor: null },
    },
  },
  problems: ['INVALID_PAYLOAD'],
}

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

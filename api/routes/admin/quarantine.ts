import { z } from 'zod'
import { uuid } from '../../../streams/contracts/topic.ts'
import { administratorOf } from '../../middleware/administrator.ts'
import { jsonBody } from '../../middleware/body.ts'
import { counted } from '../../middleware/metrics.ts'
import type { Operation, Parameter } from '../../openapi/operation.ts'
import { Problem } from '../../problem.ts'
import type { ApiMiddleware, ApiRouteContext, ApiRouter } from '../../state.ts'
import { found } from '../message.ts'
import type { AdminDeps } from './admin.ts'
import { QuarantinedDetail, QuarantinePage, type Released } from './desk.ts'
import { QUARANTINE_PARAMETERS, QuarantineFilters, queryOf, ReleaseBody, valid } from './queries.ts'

/** A reason is a sentence. */
export const ORDER_BYTES_MAX = 8 * 1024

const QUARANTINE_ID: Parameter = {
  in: 'path',
  name: 'quarantineId',
  description: 'The quarantineId of the list.',
  schema: z.uuid(),
}

const EXAMPLE = {
  quarantineId: '5d4b3a0e-0a34-5c0c-8a55-0d5c0f4c8f60',
  operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  operatorMessageId: 'OP-MSG-20240418-00123',
  messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
  rawStat: 'UNDELIV',
  dlrStatus: 'UNDELIVERED',
  receivedAt: '2026-04-20T11:00:00.000Z',
  deliveredAt: '2026-04-18T10:23:45.000Z',
  terminalAt: '2026-04-18T10:23:46.120Z',
  release: null,
}

export const quarantineListOperation: Operation = {
  method: 'get',
  path: '/v1/admin/dlr/quarantine',
  id: 'listQuarantine',
  summary: 'Quarantined receipts',
  description: 'Late receipts that an operator told from a stale buffer, newest first, page by page.',
  scope: 'platform.admin',
  parameters: QUARANTINE_PARAMETERS,
  success: {
    status: 200,
    body: {
      name: 'QuarantinePage',
      schema: QuarantinePage,
      description: 'The next page is asked for with `cursor=` and `nextCursor`; null on the last one.',
      example: { receipts: [EXAMPLE], nextCursor: null },
    },
  },
  problems: ['INVALID_PAYLOAD', 'NOT_FOUND'],
}

export const quarantineOperation: Operation = {
  method: 'get',
  path: '/v1/admin/dlr/quarantine/{quarantineId}',
  id: 'getQuarantined',
  summary: 'One quarantined receipt',
  description: 'With the receipt itself, which holds numbers: handle it as personal data.',
  scope: 'platform.admin',
  parameters: [QUARANTINE_ID],
  success: {
    status: 200,
    body: {
      name: 'QuarantinedReceipt',
      schema: QuarantinedDetail,
      description: '`release` says who released it and what became of it; null while it is held.',
      example: { ...EXAMPLE, payload: { stat: 'UNDELIV', dlrStatus: 'UNDELIVERED' } },
    },
  },
  problems: ['NOT_FOUND'],
}

export const releaseOperation: Operation = {
  method: 'post',
  path: '/v1/admin/dlr/quarantine/{quarantineId}/release',
  id: 'releaseQuarantined',
  summary: 'Release a quarantined receipt',
  description:
    'Lets the receipt run through the pipeline again, without the checks that held it. It is kept as late or as a ' +
    'duplicate; the outcome of its message, bills and webhooks stay as they are. Once per receipt.',
  scope: 'platform.admin',
  parameters: [QUARANTINE_ID],
  request: {
    name: 'ReleaseRequest',
    schema: ReleaseBody,
    description: 'Why, for the record.',
    example: { reason: 'The operator has confirmed it.' },
  },
  success: {
    status: 202,
    body: {
      name: 'ReleaseReply',
      schema: z.object({ quarantineId: z.string(), releasedAt: z.iso.datetime() }),
      description: 'The release is recorded and on its way. Read the receipt for what has become of it.',
      example: { quarantineId: EXAMPLE.quarantineId, releasedAt: '2026-04-21T08:00:00.000Z' },
    },
  },
  problems: ['NOT_FOUND', 'ALREADY_RELEASED'],
}

/** [H5], [H19], [H20]. */
export const addQuarantine = (router: ApiRouter, deps: AdminDeps): void => {
  const { administrator, desk, instruments } = deps
  const path = '/v1/admin/dlr/quarantine'
  router.get(path, counted(instruments, 'quarantine'), administrator, async (ctx) => {
    const { cursor: after, ...filters } = valid(QuarantineFilters, queryOf(ctx))
    ctx.body = await desk.listQuarantine({ ...filters, after })
  })
  router.get(`${path}/:id`, counted(instruments, 'quarantined'), administrator, async (ctx) => {
    ctx.body = found(await desk.findQuarantined(idOf(ctx)))
  })
  const head = [counted(instruments, 'release'), administrator, jsonBody(ORDER_BYTES_MAX)]
  router.post(`${path}/:id/release`, ...head, release(deps))
}

const release =
  ({ desk, logger }: AdminDeps): ApiMiddleware =>
  async (ctx) => {
    const quarantineId = idOf(ctx)
    const { reason } = valid(ReleaseBody, ctx.state.json)
    const actor = administratorOf(ctx)
    const { requestId, trace } = ctx.state
    const releasedAt = releasedAtOf(await desk.release(quarantineId, { actor, reason, trace }))
    logger.warn('dlr.quarantine_released', { quarantineId, actor, requestId })
    ctx.status = 202
    ctx.body = { quarantineId, releasedAt }
  }

export function releasedAtOf(released: Released): string {
  if (released.kind === 'unknown') throw new Problem('NOT_FOUND')
  if (released.kind === 'already') throw new Problem('ALREADY_RELEASED')
  return released.releasedAt
}

/** What is no id names nothing. */
export const idOf = (ctx: ApiRouteContext): string =>
  found(uuid.safeParse(ctx.params['id']?.toLowerCase()).data)

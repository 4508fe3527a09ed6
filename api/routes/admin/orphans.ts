import { z } from 'zod'
import { administratorOf } from '../../middleware/administrator.ts'
import { jsonBody } from '../../middleware/body.ts'
import { counted } from '../../middleware/metrics.ts'
import type { Operation } from '../../openapi/operation.ts'
import { Problem } from '../../problem.ts'
import type { ApiMiddleware, ApiRouter } from '../../state.ts'
import type { AdminDeps } from './admin.ts'
import { Orphan } from './desk.ts'
import { CSV, NDJSON } from './export-lines.ts'
import { exporter } from './export-stream.ts'
import { idOf, ORDER_BYTES_MAX, releasedAtOf } from './quarantine.ts'
import { EXPORT_PARAMETERS, ExportFilters, queryOf, ReconcileBody, valid } from './queries.ts'

export const exportOperation: Operation = {
  method: 'get',
  path: '/v1/admin/dlr/orphans/export',
  id: 'exportOrphans',
  summary: 'Export the receipts that found no message',
  description:
    'Oldest first, of at most 31 days, with the receipts themselves: handle them as personal data. Only what has not ' +
    'been archived yet. An answer that breaks off before its end is not whole: ask again.',
  scope: 'platform.admin',
  parameters: EXPORT_PARAMETERS,
  success: {
    status: 200,
    streamed: ['application/x-ndjson', 'text/csv'],
    body: {
      name: 'Orphan',
      schema: Orphan,
      description: 'One line each.',
      example: {
        orphanId: 'ffa79c7b-3e23-5444-92b8-b65fa551f96a',
        operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
        operatorMessageId: 'OP-MSG-404',
        rawStat: 'UNDELIV',
        rawPayload: { stat: 'UNDELIV' },
        receivedAt: '2026-04-18T10:30:00.000Z',
      },
    },
  },
  problems: ['INVALID_PAYLOAD', 'NOT_FOUND'],
}

export const reconcileOperation: Operation = {
  method: 'post',
  path: '/v1/admin/dlr/orphans/{orphanId}/reconcile',
  id: 'reconcileOrphan',
  summary: 'Give an orphan to its message',
  description:
    'Says which segment of which message the receipt is of. It runs through the pipeline again: it gives the segment ' +
    'its status while the message is open, and is kept as late or as a duplicate afterwards. Once per orphan. The ' +
    'message must have gone through the operator of the receipt.',
  scope: 'platform.admin',
  parameters: [
    { in: 'path', name: 'orphanId', description: 'The orphanId of the export.', schema: z.uuid() },
  ],
  request: {
    name: 'ReconcileRequest',
    schema: ReconcileBody,
    description: 'Which segment it is, and why, for the record.',
    example: {
      reason: 'The operator named the id in a mail.',
      messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
      segmentIndex: 1,
    },
  },
  success: {
    status: 202,
    body: {
      name: 'ReconcileReply',
      schema: z.object({ orphanId: z.string(), reconciledAt: z.iso.datetime() }),
      description: 'It is recorded and on its way.',
      example: {
        orphanId: 'ffa79c7b-3e23-5444-92b8-b65fa551f96a',
        reconciledAt: '2026-04-21T08:00:00.000Z',
      },
    },
  },
  problems: ['NOT_FOUND', 'ALREADY_RELEASED'],
}

/** [H6], [H21]. */
export const addOrphans = (router: ApiRouter, deps: AdminDeps): void => {
  const { administrator, instruments } = deps
  const exporting = [counted(instruments, 'orphans_export'), administrator, exportOrphans(deps)]
  router.get('/v1/admin/dlr/orphans/export', ...exporting)
  const head = [counted(instruments, 'reconcile'), administrator, jsonBody(ORDER_BYTES_MAX)]
  router.post('/v1/admin/dlr/orphans/:id/reconcile', ...head, reconcile(deps))
}

function exportOrphans({ desk, logger }: AdminDeps): ApiMiddleware {
  const streamed = exporter()
  return async (ctx) => {
    const { format, ...query } = valid(ExportFilters, queryOf(ctx))
    const actor = administratorOf(ctx)
    const { requestId } = ctx.state
    const pages = desk.exportOrphans(query, { actor })
    ctx.body = await streamed(pages, format === 'csv' ? CSV : NDJSON, (rows) =>
      logger.warn('dlr.orphans_exported', { actor, requestId, records: rows }),
    )
    ctx.type = format === 'csv' ? 'text/csv; charset=utf-8' : NDJSON.media
    ctx.set('X-Content-Type-Options', 'nosniff')
    ctx.set('Content-Disposition', `attachment; filename="orphans.${format}"`)
  }
}

const reconcile =
  ({ desk, logger }: AdminDeps): ApiMiddleware =>
  async (ctx) => {
    const orphanId = idOf(ctx)
    const { reason, ...place } = valid(ReconcileBody, ctx.state.json)
    const actor = administratorOf(ctx)
    const { requestId, trace } = ctx.state
    const reconciled = await desk.reconcile(orphanId, place, { actor, reason, trace })
    if (reconciled.kind === 'unfit') {
      const { path, message } = reconciled
      throw new Problem('INVALID_PAYLOAD', [{ path, message }])
    }
    const reconciledAt = releasedAtOf(reconciled)
    logger.warn('dlr.orphan_reconciled', { orphanId, messageId: place.messageId, actor, requestId })
    ctx.status = 202
    ctx.body = { orphanId, reconciledAt }
  }

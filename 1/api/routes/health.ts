import type { Metrics } from '../../streams/platform/metrics.ts'
import type { Readiness } from '../../streams/platform/operations-server.ts'
import { withAliases } from '../middleware/metric-aliases.ts'
import type { ApiMiddleware, ApiRouter } from '../state.ts'

export interface HealthDeps {
  readonly metrics: Metrics
  /** [FL3] */
  readonly metricAliases: boolean
  /** Never rejects. */
  readonly ready: () => Promise<Readiness>
}

const live: ApiMiddleware = (ctx) => {
  ctx.body = { status: 'ok' }
}

/** [H9] to [H11], for the cluster, without credentials. Kong must not route them [H31]. */
export const addHealth = (router: ApiRouter, { metrics, metricAliases, ready }: HealthDeps): void => {
  const readiness: ApiMiddleware = async (ctx) => {
    const { ready: isReady, details } = await ready()
    ctx.status = isReady ? 200 : 503
    ctx.body = { status: isReady ? 'ok' : 'error', details }
  }
  router.get(['/health/live', '/health'], live)
  router.get(['/health/ready', '/ready'], readiness)
  router.get('/metrics', async (ctx) => {
    const text = await metrics.registry.metrics()
    ctx.body = metricAliases ? withAliases(text) : text
    ctx.set('Content-Type', metrics.registry.contentType)
  })
}

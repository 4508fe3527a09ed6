import Koa from 'koa'
import { Router } from '@koa/router'
import type { Logger } from '../streams/platform/logger.ts'
import type { Admission } from './middleware/admission.ts'
import { administrators } from './middleware/administrator.ts'
import { headersChecked, identified, type Credentials } from './middleware/identity.ts'
import { problems } from './middleware/problem.ts'
import { traced } from './middleware/trace.ts'
import { codeOf } from './postgres.ts'
import { Problem } from './problem.ts'
import { addAdmin } from './routes/admin/admin.ts'
import type { AdminDesk } from './routes/admin/desk.ts'
import { addBulk } from './routes/bulk.ts'
import { addCancel, type CancelDeps } from './routes/cancel.ts'
import { addEstimate } from './routes/estimate.ts'
import { addHealth, type HealthDeps } from './routes/health.ts'
import { addMessage, type ReadDeps } from './routes/message.ts'
import { addMessages } from './routes/messages.ts'
import { addSegments } from './routes/message-segments.ts'
import { addDocs } from './routes/docs.ts'
import { addSend } from './routes/send.ts'
import type { SubmitDeps } from './routes/submit-head.ts'
import type { ApiMiddleware, ApiRouter, ApiState } from './state.ts'

export interface AppDeps
  extends HealthDeps,
    Omit<SubmitDeps, 'identify'>,
    Omit<ReadDeps, 'identify'>,
    Omit<CancelDeps, 'identify'> {
  readonly credentials: Credentials
  /** What may be in flight [ER19]. */
  readonly gate: Admission
  readonly logger: Logger
  readonly newId: () => string
  /** Undefined: nobody administers anything over this process. */
  readonly admin?: AdminDesk | undefined
}

/** The whole API on one screen: every request passes the first three, then its route. */
export function createApp(deps: AppDeps): Koa<ApiState> {
  const app = new Koa<ApiState>()
  // An answer that broke off behind its first byte. Koa would write the error itself, with values.
  app.on('error', (error) => deps.logger.warn('api.answer_broken', { code: codeOf(error) }))
  app.use(traced(deps.newId))
  app.use(problems(deps.logger))
  app.use(headersChecked)
  const router = routes(deps)
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}

function routes(deps: AppDeps): Router<ApiState> {
  // Exactly these paths [ER10]: in another case, or with a blank end, they would be others to Kong.
  const router = new Router<ApiState>({ sensitive: true, strict: true })
  const identify = identified(deps.credentials)
  addHealth(router, deps)
  addDocs(router)
  router.use('/v1/sms', switchedOn(deps.flags))
  addSend(router, { ...deps, identify })
  addBulk(router, { ...deps, identify })
  addEstimate(router, { ...deps, identify })
  refuseOtherMethods(router, ['/v1/sms/send', '/v1/sms/bulk', '/v1/sms/estimate'])
  addMessages(router, { ...deps, identify })
  addMessage(router, { ...deps, identify })
  addCancel(router, { ...deps, identify })
  addSegments(router, { ...deps, identify })
  if (deps.admin !== undefined) {
    const administrator = administrators(deps.credentials, deps.gate)
    addAdmin(router, { ...deps, administrator, desk: deps.admin })
  }
  return router
}

/** SUBMIT_API_ENABLED [FL1]: while off, [H1] to [H4] answer 503 and the rest works. */
const switchedOn =
  (flags: AppDeps['flags']): ApiMiddleware =>
  async (_ctx, next) => {
    if (!flags().enabled) throw new Problem('SUBMIT_API_DISABLED')
    await next()
  }

/** Or else `GET /v1/sms/send` would look for a message of that id [ER11]. */
const refuseOtherMethods = (router: ApiRouter, paths: readonly string[]): void => {
  for (const path of paths) {
    router.all(path, (ctx) => {
      ctx.set('Allow', 'POST')
      throw new Problem('METHOD_NOT_ALLOWED')
    })
  }
}

import { apiDocument } from '../openapi/document.ts'
import { CONTENT_SECURITY_POLICY } from '../openapi/html.ts'
import { problemPage, referencePage } from '../openapi/pages.ts'
import { Problem } from '../problem.ts'
import type { ApiRouteContext, ApiRouter } from '../state.ts'

/** Made anew with every deployment, and with nothing in between. */
const CACHE_SECONDS = 300

/** [H8], [H17]: for everybody, also while submits are switched off. */
export function addDocs(router: ApiRouter): void {
  const document = apiDocument()
  const json = JSON.stringify(document)
  const reference = referencePage(document)
  router.get('/openapi.json', (ctx) => {
    cacheable(ctx)
    ctx.type = 'application/json'
    ctx.body = json
  })
  router.get('/docs', (ctx) => show(ctx, reference))
  router.get('/problems/:code', (ctx) => {
    const text = problemPage(ctx.params['code'] ?? '')
    if (text === undefined) throw new Problem('NOT_FOUND')
    show(ctx, text)
  })
}

function show(ctx: ApiRouteContext, text: string): void {
  cacheable(ctx)
  ctx.set('Content-Security-Policy', CONTENT_SECURITY_POLICY)
  ctx.set('Referrer-Policy', 'no-referrer')
  ctx.type = 'text/html; charset=utf-8'
  ctx.body = text
}

function cacheable(ctx: ApiRouteContext): void {
  ctx.set('Cache-Control', `public, max-age=${CACHE_SECONDS}`)
  ctx.set('X-Content-Type-Options', 'nosniff')
}

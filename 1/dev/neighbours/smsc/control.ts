import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { send, serveOperations, type OperationsServer } from '../../../streams/platform/operations-server.ts'
import { readJsonBody } from '../../json.ts'
import { ScenarioFile } from './faults.ts'
import { SmscAccountChange } from './options.ts'
import { SCENARIOS } from './script.ts'
import type { Smsc } from './smsc.ts'

type Route = (
  smsc: Smsc,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
) => Promise<void> | void

const Drop = z.object({ refuseMs: z.number().int().min(0).default(0) })
const OPERATOR = /^\/operators\/([^/]+)$/
const LOG_ENTRIES_MAX = 50_000

/** One action without an argument. */
const action =
  (act: (smsc: Smsc) => void): Route =>
  (smsc, _request, response) => {
    act(smsc)
    send(response, 200, { status: 'ok' })
  }

/**
 * `GET /log?since=&limit=` NDJSON entries after a seq, at most 50,000 · `GET /counters` ·
 * `GET /scenarios` · `POST /drop-connections` {refuseMs?} · `POST /pause` · `POST /resume` ·
 * `POST /unbind` · `POST /enquire` · `PUT /faults` {faults} · `PUT /operators/{systemId}` with the
 * settings to change. Health as every process.
 */
const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['GET /log', sendLog],
  ['GET /counters', (smsc, _request, response) => send(response, 200, smsc.counters())],
  ['GET /scenarios', (_smsc, _request, response) => send(response, 200, SCENARIOS)],
  ['POST /drop-connections', dropConnections],
  ['PUT /faults', changeFaults],
  ['POST /pause', action((smsc) => smsc.pause())],
  ['POST /resume', action((smsc) => smsc.resume())],
  ['POST /unbind', action((smsc) => smsc.unbindAll())],
  ['POST /enquire', action((smsc) => smsc.enquireAll())],
])

export const serveControl = (smsc: Smsc, host: string, port: number): Promise<OperationsServer> =>
  serveOperations({
    host,
    port,
    metrics: new Metrics(),
    ready: () => ({ ready: true, details: {} }),
    route: (request, response) => route(smsc, request, response),
  })

async function route(smsc: Smsc, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const url = new URL(request.url ?? '/', 'http://control')
  const found = ROUTES.get(`${request.method ?? 'GET'} ${url.pathname}`)
  const systemId = OPERATOR.exec(url.pathname)?.[1]
  if (found !== undefined) await found(smsc, request, response, url)
  else if (request.method === 'PUT' && systemId !== undefined)
    await changeOperator(smsc, decodeURIComponent(systemId), request, response)
  else return false
  return true
}

function sendLog(smsc: Smsc, _request: IncomingMessage, response: ServerResponse, url: URL): void {
  const since = Number(url.searchParams.get('since') ?? 0)
  const limit = Number(url.searchParams.get('limit') ?? LOG_ENTRIES_MAX)
  if (!Number.isInteger(since) || !Number.isInteger(limit))
    return send(response, 400, { status: 'since and limit are whole numbers' })
  const entries = smsc.entries(since, Math.min(limit, LOG_ENTRIES_MAX))
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.end(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
}

async function dropConnections(
  smsc: Smsc,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readJsonBody(request, Drop)
  if (!body.ok) return send(response, 400, { status: body.message })
  smsc.dropConnections(body.value.refuseMs)
  send(response, 200, { status: 'ok' })
}

async function changeFaults(smsc: Smsc, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readJsonBody(request, ScenarioFile.pick({ faults: true }))
  if (!body.ok) return send(response, 400, { status: body.message })
  smsc.setFaults(body.value.faults)
  send(response, 200, { status: 'ok' })
}

async function changeOperator(
  smsc: Smsc,
  systemId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readJsonBody(request, SmscAccountChange)
  if (!body.ok) return send(response, 400, { status: body.message })
  const known = smsc.setOperator(systemId, body.value)
  send(response, known ? 200 : 404, { status: known ? 'ok' : 'unknown operator' })
}

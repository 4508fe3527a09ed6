import { fileURLToPath } from 'node:url'
import { Server, ServerCredentials, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js'
import { loadSync, type AnyDefinition, type ServiceDefinition } from '@grpc/proto-loader'
import type { OperatorHealth } from '../../../streams/contracts/operators.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { silentLogger, type Logger } from '../../../streams/platform/logger.ts'
import { followHealth } from './health-feed.ts'
import { OperatorStates } from './health.ts'
import { RouteTable, type Route } from './routes.ts'
import { FaultScript } from './script.ts'
import {
  selectRoute,
  type RoutingState,
  type SelectRouteRequest,
  type SelectRouteResponse,
} from './select.ts'

const PROTO = fileURLToPath(new URL('../../../streams/contracts/routing.proto', import.meta.url))
const SERVICE = 'sms.routing.v1.RoutingEngine'

export interface RoutingEngineOptions {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly routes: readonly Route[]
  /** Without it the engine knows no health and always answers the first operator. */
  readonly natsUrl?: string
  readonly logger?: Logger
}

export interface RoutingEngine {
  readonly port: number
  /** Answers given so far, by gRPC code name; OK included. */
  counters(): Readonly<Record<string, number>>
  /** Does what an `operator.health` event does, for tests without NATS. */
  learn(health: OperatorHealth): void
  close(): Promise<void>
}

type Call = ServerUnaryCall<SelectRouteRequest, SelectRouteResponse>
type Reply = sendUnaryData<SelectRouteResponse>

/** Serves SelectRoute without TLS; it starts whether or not NATS is there. */
export async function startRoutingEngine(options: RoutingEngineOptions): Promise<RoutingEngine> {
  const states = new OperatorStates()
  const state: RoutingState = { routes: new RouteTable(options.routes), states, script: new FaultScript() }
  const answers = new Map<string, number>()
  const server = new Server()
  server.addService(loadService(), {
    SelectRoute: (call: Call, reply: Reply) => void answer(state, answers, call, reply),
  })
  const port = await bind(server, `${options.host}:${options.port}`)
  const logger = options.logger ?? silentLogger
  const feed =
    options.natsUrl === undefined ? undefined : followHealth({ natsUrl: options.natsUrl, states, logger })
  return {
    port,
    counters: () => Object.fromEntries(answers),
    learn: (health) => states.learn(health),
    close: async () => {
      server.forceShutdown()
      await feed?.close()
    },
  }
}

async function answer(
  state: RoutingState,
  answers: Map<string, number>,
  call: Call,
  reply: Reply,
): Promise<void> {
  const selection = selectRoute(state, call.request)
  const code = selection.ok ? 'OK' : selection.code
  answers.set(code, (answers.get(code) ?? 0) + 1)
  if (selection.delayMs > 0) await sleep(selection.delayMs)
  if (selection.ok) reply(null, selection.response)
  else reply({ code: status[selection.code], details: selection.reason })
}

function loadService(): ServiceDefinition {
  const loaded = loadSync(PROTO, { keepCase: true, enums: String, longs: String, defaults: true })
  const service = loaded[SERVICE]
  if (service === undefined || !isService(service)) throw new Error(`${SERVICE} is not in routing.proto`)
  return service
}

/** Messages and enums carry a `format`, a service carries its methods. */
const isService = (definition: AnyDefinition): definition is ServiceDefinition => !('format' in definition)

const bind = (server: Server, address: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port)
      else reject(error)
    })
  })

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  Client,
  credentials,
  Metadata,
  status,
  type ChannelCredentials,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader'
import { z } from 'zod'
import { traceHeaders } from '../../streams/platform/tracing.ts'

/**
 * Files in PEM. Without them the connection is not encrypted, which is for one's own machine only.
 */
export interface RoutingTls {
  readonly caFile: string
  /** The client's own, for mutual TLS. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

export interface RoutingClientOptions {
  /** `host:port`, or any name that gRPC resolves; of several addresses all are used in turn. */
  readonly address: string
  readonly deadlineMs: number
  readonly tls?: RoutingTls | undefined
}

/** By the names of the proto file [CI1]. */
export interface SelectRouteRequest {
  readonly message_id: string
  readonly tenant_id: string
  readonly account_id: string
  readonly to: string
  readonly from: string
  readonly message_type: 'MESSAGE_TYPE_UNSPECIFIED' | 'MESSAGE_TYPE_SMS' | 'MESSAGE_TYPE_FLASH'
}

const Reply = z.object({ operator_id: z.string(), route_id: z.string(), backup_operator_id: z.string() })
export type SelectRouteReply = z.infer<typeof Reply>

export type SelectRouteResult =
  | { readonly code: 'OK'; readonly reply: SelectRouteReply }
  | { readonly code: string; readonly reply?: never }

export interface RoutingClient {
  /** One call. Never rejects: what goes wrong is the name of a gRPC status code. */
  selectRoute(request: SelectRouteRequest): Promise<SelectRouteResult>
  close(): void
}

const PROTO = fileURLToPath(new URL('../../streams/contracts/routing.proto', import.meta.url))
const SERVICE = 'sms.routing.v1.RoutingEngine'
const METHOD = 'SelectRoute'

export function routingClient(options: RoutingClientOptions): RoutingClient {
  const method = selectRouteMethod(loadSync(PROTO, { keepCase: true, enums: String, defaults: true }))
  const client = new Client(options.address, channelCredentials(options.tls), CHANNEL)
  return {
    selectRoute: (request) =>
      new Promise((resolve) => {
        const call = client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          traceMetadata(),
          (error, reply) => {
            clearTimeout(deadline)
            resolve(resultOf(error, reply))
          },
        )
        const deadline = setTimeout(() => afterReading(() => call.cancel()), options.deadlineMs)
      }),
    close: () => client.close(),
  }
}

/**
 * The library checks its own deadline before it reads the sockets. An event loop that was busy with
 * a replay would throw away answers that came in time, and spend the message's retries on that. Two
 * turns, because a reply is read in one and handed over in the next.
 */
const afterReading = (act: () => void): void => void setImmediate(() => setImmediate(act))

/**
 * Balanced over all addresses of the name [CI2]. The connection is kept alive between calls, and a
 * lost one is tried again soon, because a question does not wait longer than its deadline for a
 * connection. Repeating a call is the caller's decision.
 */
const CHANNEL = {
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  'grpc.enable_retries': 0,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
}

function channelCredentials(tls: RoutingTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure()
  return credentials.createSsl(pem(tls.caFile), pem(tls.keyFile), pem(tls.certFile))
}

const pem = (file: string | undefined): Buffer | null => (file === undefined ? null : readFileSync(file))

function traceMetadata(): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(traceHeaders())) metadata.set(name, value)
  return metadata
}

function resultOf(error: ServiceError | null, reply: unknown): SelectRouteResult {
  if (error !== null) return { code: codeName(error.code) }
  const read = Reply.safeParse(reply)
  return read.success ? { code: 'OK', reply: read.data } : { code: 'INTERNAL' }
}

/** Nobody but the deadline cancels a call. */
const codeName = (code: status): string =>
  code === status.CANCELLED ? 'DEADLINE_EXCEEDED' : (status[code] ?? 'UNKNOWN')

function selectRouteMethod(loaded: PackageDefinition): MethodDefinition<object, object> {
  const service = loaded[SERVICE]
  const method = service === undefined || 'format' in service ? undefined : service[METHOD]
  if (method === undefined) throw new Error(`routing.proto does not define ${SERVICE}/${METHOD}`)
  return method
}

import { PROBLEMS, type ProblemCode } from '../problem.ts'
import { OPERATIONS } from './operations.ts'
import type { Operation, Parameter, Success } from './operation.ts'
import { componentSchemas, PROBLEM, referenceTo, schemaOf, type JsonSchema } from './schemas.ts'

export interface ApiDocument {
  readonly openapi: string
  readonly info: JsonSchema
  readonly servers: readonly JsonSchema[]
  readonly security: readonly JsonSchema[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>
  readonly components: {
    readonly securitySchemes: JsonSchema
    readonly schemas: Readonly<Record<string, JsonSchema>>
  }
}

export interface OperationObject {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  /** Absent: any of those of the document. */
  readonly security?: readonly JsonSchema[]
  readonly parameters?: readonly JsonSchema[]
  readonly requestBody?: JsonSchema
  readonly responses: Readonly<Record<string, ResponseObject>>
}

export interface ResponseObject {
  readonly description: string
  readonly headers?: JsonSchema
  readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>>
}

/** What any operation may end with, whatever it does. */
const OF_ALL: readonly ProblemCode[] = [
  'INVALID_HEADER',
  'MALFORMED_REQUEST',
  'UNAUTHENTICATED',
  'TENANT_MISMATCH',
  'FORBIDDEN',
  'REQUEST_TIMEOUT',
  'RATE_LIMITED',
  'EXPECTATION_FAILED',
  'HEADERS_TOO_LARGE',
  'INTERNAL',
  'DEPENDENCY_UNAVAILABLE',
  'OVERLOADED',
  'SUBMIT_API_DISABLED',
]
/** What any operation with a body may. */
const OF_BODIES: readonly ProblemCode[] = ['INVALID_PAYLOAD', 'REQUEST_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE']

const DESCRIPTION = `Submits SMS, alone or in bulk, and says what has become of them.

A 202 means that the message is stored and will be worked on; its delivery is told by \`status\` later. Repeat a
request whose answer was lost under the same \`Idempotency-Key\`. Every refusal is a problem (RFC 9457) with a
\`code\`; what each means, whose fault it is and whether to try again stands under \`/problems/{code}\`.
Fields may be added to answers: ignore those that you do not know.`

/** The OpenAPI document [H8]. `closed` as in schemas.ts. */
export function apiDocument({ closed = false }: { readonly closed?: boolean } = {}): ApiDocument {
  const paths: Record<string, Record<string, OperationObject>> = {}
  for (const operation of OPERATIONS)
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) }
  return {
    openapi: '3.1.0',
    info: { title: 'SMS API', version: '1', description: DESCRIPTION },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
      },
      schemas: componentSchemas(OPERATIONS, { closed }),
    },
  }
}

const operationObject = (operation: Operation): OperationObject => ({
  operationId: operation.id,
  summary: operation.summary,
  description: `${operation.description}\n\n${needsOf(operation)}`,
  ...(operation.scope === 'platform.admin' && { security: [{ bearer: [] }] }),
  ...(operation.parameters && { parameters: operation.parameters.map(parameterObject) }),
  ...(operation.request && {
    requestBody: {
      required: true,
      content: { 'application/json': { schema: referenceTo(operation.request) } },
    },
  }),
  responses: { [operation.success.status]: successObject(operation.success), ...problemsOf(operation) },
})

const needsOf = ({ scope }: Operation): string =>
  scope === 'platform.admin' ? `Needs a token with the role \`${scope}\`.` : `Needs the scope \`${scope}\`.`

const parameterObject = ({ in: place, name, description, schema, ...has }: Parameter): JsonSchema => ({
  in: place,
  name,
  description,
  required: place === 'path' || has.isRequired === true,
  ...(has.isFreeForm && { style: 'form', explode: true }),
  schema: schemaOf(schema),
})

const successObject = ({ body, streamed, headers = {} }: Success): ResponseObject => ({
  description: body.description,
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: 'string', const: 'true' } },
    ]),
  ),
  content: Object.fromEntries(
    (streamed ?? ['application/json']).map((media) => [
      media,
      { schema: media === 'text/csv' ? { type: 'string' } : referenceTo(body) },
    ]),
  ),
})

/** By status, with the codes that it may have there. */
function problemsOf({ problems, request }: Operation): Readonly<Record<string, ResponseObject>> {
  const all = new Set([...OF_ALL, ...(request === undefined ? [] : OF_BODIES), ...problems])
  const codes = [...all].toSorted()
  const statuses = new Set(codes.map((code) => PROBLEMS[code].status))
  return Object.fromEntries(
    [...statuses].map((status) => [
      status,
      problemObject(codes.filter((code) => PROBLEMS[code].status === status)),
    ]),
  )
}

const problemObject = (codes: readonly ProblemCode[]): ResponseObject => ({
  description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].detail}.`).join(' '),
  content: {
    'application/problem+json': {
      schema: { allOf: [referenceTo(PROBLEM), { properties: { code: { enum: codes } } }] },
    },
  },
})

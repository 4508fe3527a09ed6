import { z } from 'zod'
import type { Scope } from '../middleware/token.ts'
import type { ProblemCode } from '../problem.ts'

/** What a client may ask with one method of one path; stands beside its route. */
export interface Operation {
  readonly method: 'get' | 'post' | 'delete'
  /** With its parameters in braces: `/v1/sms/{messageId}`. */
  readonly path: string
  /** Named by generated clients, so never changed. */
  readonly id: string
  readonly summary: string
  readonly description: string
  /** Of a client; or what only administrators may. */
  readonly scope: Scope | 'platform.admin'
  readonly parameters?: readonly Parameter[]
  /** The JSON that it takes. */
  readonly request?: Shape
  readonly success: Success
  /** Beside those that every operation may end with. */
  readonly problems: readonly ProblemCode[]
}

export interface Parameter {
  readonly in: 'path' | 'query' | 'header'
  readonly name: string
  readonly description: string
  readonly schema: z.ZodType
  readonly isRequired?: true
  /** Names of its own: each property of the schema is a parameter. */
  readonly isFreeForm?: true
}

/** A schema under the name that the document gives it. */
export interface Shape {
  readonly name: string
  readonly schema: z.ZodType
  readonly description: string
  readonly example: unknown
}

export interface Success {
  readonly status: 200 | 202
  readonly body: Shape
  /** Instead of JSON: lines, each of them one `body`, or a table of them. */
  readonly streamed?: readonly ('application/x-ndjson' | 'text/csv')[]
  /** By name, what it says. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A fault or a warning: where in the request, and what about it. */
export const FaultSchema = z.object({ path: z.string(), message: z.string() })

export const MESSAGE_ID: Parameter = {
  in: 'path',
  name: 'messageId',
  description: 'The messageId of the answer to the submit.',
  schema: z.uuid(),
}

export const IDEMPOTENCY_KEY: Parameter = {
  in: 'header',
  name: 'Idempotency-Key',
  description:
    'Chosen by the client; 1 to 255 printable ASCII characters, bare or quoted. For 48 hours the same key with the ' +
    'same body gets the same answer, and nothing is sent again.',
  schema: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[\x21\x23-\x7e]+$/),
}

/** What submits say in their headers. */
export const SUBMIT_HEADERS = {
  'Idempotency-Replayed': '`true` when this is the stored answer of an earlier request.',
  'X-Shadow': '`true` while the service only pretends: nothing was accepted.',
} as const

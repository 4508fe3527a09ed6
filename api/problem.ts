import { problemType } from '../streams/contracts/problem.ts'

/**
 * The problems that this API answers with, as RFC 9457 describes them [ER1]: those of [ER3] to
 * [ER22].
 */
export const PROBLEMS = {
  INVALID_PAYLOAD: { status: 400, title: 'Invalid payload', detail: 'the body does not follow the schema' },
  INVALID_DESTINATION: { status: 400, title: 'Invalid destination', detail: 'to is not a valid number' },
  SMS_BODY_TOO_LONG: {
    status: 400,
    title: 'SMS body too long',
    detail: 'body is longer than 1600 characters',
  },
  INVALID_HEADER: { status: 400, title: 'Invalid header', detail: 'a header is repeated or malformed' },
  MALFORMED_REQUEST: { status: 400, title: 'Malformed request', detail: 'this is not HTTP/1.1' },
  UNAUTHENTICATED: { status: 401, title: 'Unauthenticated', detail: 'credentials are missing or not valid' },
  TENANT_MISMATCH: {
    status: 403,
    title: 'Tenant mismatch',
    detail: 'X-Tenant-Id is missing or differs from the tenant of the credentials',
  },
  FORBIDDEN: { status: 403, title: 'Forbidden', detail: 'the credentials do not allow this' },
  NOT_FOUND: { status: 404, title: 'Not found', detail: 'there is nothing here' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed', detail: 'see the Allow header' },
  REQUEST_TIMEOUT: { status: 408, title: 'Request timeout', detail: 'the request came too slowly' },
  IDEMPOTENCY_CONFLICT: {
    status: 409,
    title: 'Idempotency conflict',
    detail: 'the Idempotency-Key was used with another body',
  },
  ALREADY_RELEASED: {
    status: 409,
    title: 'Already released',
    detail: 'the receipt has been released, or given to its message, before',
  },
  NOT_CANCELLABLE: {
    status: 409,
    title: 'Not cancellable',
    detail: 'only a message that is SCHEDULED, before its sendAt, can be cancelled',
  },
  REQUEST_TOO_LARGE: { status: 413, title: 'Request too large', detail: 'the body is over the limit' },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'send application/json in UTF-8, not compressed',
  },
  EXPECTATION_FAILED: {
    status: 417,
    title: 'Expectation failed',
    detail: 'of the header Expect only 100-continue is known',
  },
  /** Kong's [ER16]; never answered here, but its page is. */
  RATE_LIMITED: { status: 429, title: 'Rate limited', detail: 'too many requests of this account' },
  HEADERS_TOO_LARGE: { status: 431, title: 'Headers too large', detail: 'the headers are over 16 KiB' },
  INTERNAL: { status: 500, title: 'Internal error', detail: 'a defect; it has been recorded' },
  DEPENDENCY_UNAVAILABLE: {
    status: 503,
    title: 'Dependency unavailable',
    // Not "nothing was accepted": the database may have stored it and not been able to say so.
    detail:
      'something that the answer needs is away; what was submitted may have been accepted, ' +
      'so repeat it under the same Idempotency-Key',
  },
  OVERLOADED: {
    status: 503,
    title: 'Overloaded',
    detail: 'too many requests are being worked on; nothing was accepted, try again in a moment',
  },
  SUBMIT_API_DISABLED: {
    status: 503,
    title: 'Submit API disabled',
    detail: 'this API is not switched on here',
  },
} as const

export type ProblemCode = keyof typeof PROBLEMS

/** One fault of the request: where, and what is asked for. Never what was sent. */
export interface Fault {
  readonly path: string
  readonly message: string
}

export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  readonly code: ProblemCode
  readonly errors?: readonly Fault[]
}

/**
 * Ends a request with the problem `code`; thrown by middleware and routes, answered in
 * middleware/problem.ts.
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly errors: readonly Fault[]

  constructor(code: ProblemCode, errors: readonly Fault[] = []) {
    super(code)
    this.code = code
    this.errors = errors
  }

  get status(): number {
    return PROBLEMS[this.code].status
  }

  get title(): string {
    return PROBLEMS[this.code].title
  }
}

/**
 * A dependency that the answer needs is away: worth another try by the client, never a defect of
 * ours. `dependency` is a fixed word ('postgres', 'jwks'), so it may be logged.
 */
export class DependencyUnavailable extends Error {
  override readonly name = 'DependencyUnavailable'
  readonly dependency: string

  constructor(dependency: string, cause: unknown) {
    super(`${dependency} is unavailable`, { cause })
    this.dependency = dependency
  }
}

/** `requestId` must be a uuid: it becomes the instance, by which support finds the log lines. */
export function problemBody(problem: Problem, requestId: string): ProblemBody {
  const { status, title, detail } = PROBLEMS[problem.code]
  return {
    type: problemType(problem.code),
    title,
    status,
    detail,
    instance: `urn:uuid:${requestId}`,
    code: problem.code,
    ...(problem.errors.length > 0 && { errors: problem.errors }),
  }
}

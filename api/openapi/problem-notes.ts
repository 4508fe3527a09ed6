import { PROBLEMS, type ProblemCode } from '../problem.ts'

/** What people are told about a code [H17]. */
export interface ProblemNote {
  readonly meaning: string
  /** Whose fault it is. */
  readonly fault: 'yours' | 'ours' | 'the gateway between us'
  readonly retry: string
}

const NEVER = 'No: the same request ends the same way.'
const SOON =
  'Yes, under the same Idempotency-Key, after the seconds that Retry-After names. Nothing was accepted.'

const NOTES: Readonly<Record<ProblemCode, ProblemNote>> = {
  INVALID_PAYLOAD: {
    meaning: 'The body is not JSON, or a field is not as the reference says. `errors` names each field.',
    fault: 'yours',
    retry: NEVER,
  },
  INVALID_DESTINATION: {
    meaning: 'Only `to` is wrong: it is no number in international form, such as +447700900123.',
    fault: 'yours',
    retry: 'No. Correct the number; everything else was in order.',
  },
  SMS_BODY_TOO_LONG: {
    meaning:
      'Only the text is wrong: it has more than 1600 characters. Estimates say how many segments it takes.',
    fault: 'yours',
    retry: 'No. Shorten the text; everything else was in order.',
  },
  INVALID_HEADER: {
    meaning: 'A header that may come once came twice, is malformed, or there are more than 100 headers.',
    fault: 'yours',
    retry: NEVER,
  },
  MALFORMED_REQUEST: {
    meaning: 'What arrived is not HTTP/1.1.',
    fault: 'yours',
    retry: NEVER,
  },
  UNAUTHENTICATED: {
    meaning:
      'There is no token, or it has expired, or its signature, issuer or audience is not the right one.',
    fault: 'yours',
    retry: 'With a new token.',
  },
  TENANT_MISMATCH: {
    meaning: 'The tenant of the request is missing or is not the one that the credentials belong to.',
    fault: 'yours',
    retry: NEVER,
  },
  FORBIDDEN: {
    meaning:
      'The credentials are good, but they name no account, or lack the scope that the operation needs.',
    fault: 'yours',
    retry: 'With credentials of the needed scope.',
  },
  NOT_FOUND: {
    meaning: 'There is no such path, or no such message in your account.',
    fault: 'yours',
    retry: NEVER,
  },
  METHOD_NOT_ALLOWED: {
    meaning: 'The path exists, but not with this method. The header Allow names those that it has.',
    fault: 'yours',
    retry: NEVER,
  },
  REQUEST_TIMEOUT: {
    meaning: 'The headers took over 10 seconds, or the whole request over 30.',
    fault: 'yours',
    retry: 'Yes, under the same Idempotency-Key. Nothing was accepted.',
  },
  IDEMPOTENCY_CONFLICT: {
    meaning: 'The Idempotency-Key has been used within 48 hours for another body.',
    fault: 'yours',
    retry: 'No. A new message needs a new key; for a repetition send the body of the first time.',
  },
  ALREADY_RELEASED: {
    meaning:
      'Somebody has released this receipt before, or you have and the answer was lost. Read it again for who and when.',
    fault: 'yours',
    retry: NEVER,
  },
  NOT_CANCELLABLE: {
    meaning:
      'The message is not SCHEDULED any more, or its `sendAt` has passed. `errors` says its status, which is ' +
      'CANCELLED when an earlier request has cancelled it.',
    fault: 'yours',
    retry: NEVER,
  },
  REQUEST_TOO_LARGE: {
    meaning: 'One message has more than 64 KB, or a bulk more than 2 MB.',
    fault: 'yours',
    retry: 'No. Send less at once.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    meaning: 'The body is not announced as application/json in UTF-8, or it is compressed.',
    fault: 'yours',
    retry: NEVER,
  },
  EXPECTATION_FAILED: {
    meaning: 'The header Expect asks for something other than 100-continue.',
    fault: 'yours',
    retry: 'Without the header.',
  },
  RATE_LIMITED: {
    meaning:
      'Your account sends faster than its tier allows. The gateway answers this before we see the request.',
    fault: 'yours',
    retry: 'Yes, after the seconds that Retry-After names. Nothing was accepted.',
  },
  HEADERS_TOO_LARGE: {
    meaning: 'All headers together have more than 16 KiB.',
    fault: 'yours',
    retry: NEVER,
  },
  INTERNAL: {
    meaning: 'A defect of ours. It has been recorded under the id in `instance`.',
    fault: 'ours',
    retry: 'Once, under the same Idempotency-Key; then tell us the instance.',
  },
  DEPENDENCY_UNAVAILABLE: {
    meaning: 'Something that the answer needs is away, such as the database or the keys of tokens.',
    fault: 'ours',
    retry:
      'Yes, under the same Idempotency-Key, after the seconds that Retry-After names. Without a key the message may ' +
      'have been stored although you were not told.',
  },
  OVERLOADED: {
    meaning: 'Too many requests are being worked on, of all clients or of yours.',
    fault: 'ours',
    retry: SOON,
  },
  SUBMIT_API_DISABLED: {
    meaning: 'This service is not switched on here.',
    fault: 'the gateway between us',
    retry: 'Later. Nothing was accepted.',
  },
}

export interface DocumentedProblem extends ProblemNote {
  readonly code: string
  readonly status: number
  readonly title: string
}

/** By the last part of `type`. */
export const DOCUMENTED_PROBLEMS: ReadonlyMap<string, DocumentedProblem> = new Map(
  Object.entries(NOTES).map(([code, note]) => {
    const { status, title } = PROBLEMS[isCode(code) ? code : 'INTERNAL']
    return [code.toLowerCase().replaceAll('_', '-'), { code, status, title, ...note }]
  }),
)

function isCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code)
}

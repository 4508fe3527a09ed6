import { z } from 'zod'
import { parseDestination } from '../../streams/domain/message/msisdn.ts'
import { senderKind } from '../../streams/domain/message/sender.ts'
import type { Fault, ProblemCode } from '../problem.ts'
import { parseCallbackUrl } from './callback-url.ts'

export const BODY_CHARS_MAX = 1600
export const METADATA_ENTRIES_MAX = 20
export const METADATA_KEY_CHARS_MAX = 64
export const METADATA_VALUE_CHARS_MAX = 256
/**
 * How long a message may wait before it is worthless, when the client does not ask for less [SM7].
 */
export const LIFETIME_MS_MAX = 48 * 3_600_000
/** How far ahead a message may be asked to be sent [SM8]. */
export const SEND_AHEAD_MS_MAX = 7 * 86_400_000

// NUL and half of a surrogate pair can be written in JSON. Postgres stores them neither as text nor
// as jsonb.
// oxlint-disable-next-line no-control-regex -- NUL is exactly what is looked for.
const UNSTORABLE = /\u0000|\p{Surrogate}/u

const SENDER =
  'must be E.164, a short code of 3 to 8 digits, or at most 11 characters of the GSM alphabet with a letter'

/** What Postgres can store, and so what it can be asked for. */
export const text = z
  .string('must be a string')
  .refine((value) => !UNSTORABLE.test(value), 'must not hold NUL or half a surrogate pair')

const destination = z.string('must be a string').transform((value, context) => {
  const parsed = parseDestination(value)
  if (parsed.ok) return parsed.e164
  context.issues.push({ code: 'custom', message: 'not a valid number', input: undefined })
  return z.NEVER
})

/**
 * Stored and published as the parser writes it: nobody after us has to parse what a client wrote.
 */
const callbackUrl = text.transform((value, context) => {
  const parsed = parseCallbackUrl(value)
  if (parsed.ok) return parsed.href
  context.issues.push({ code: 'custom', message: parsed.fault, input: undefined })
  return z.NEVER
})

const instantOf = z.iso
  .datetime({ offset: true, error: 'must be an ISO 8601 instant' })
  .transform((value) => new Date(value).toISOString())

/**
 * The body of [H1]: [SM2] to [SM9]. Unknown fields are ignored and named in the reply [SM1].
 */
export const SubmitBody = z.object(
  {
    to: destination.describe('The number in international form, `+` first; taken in E.164.'),
    from: text.refine((value) => senderKind(value) !== null, SENDER).describe(`The sender; ${SENDER}.`),
    body: text
      .transform((value) => value.trim())
      .pipe(
        z
          .string()
          .min(1, 'must not be empty')
          .max(BODY_CHARS_MAX, `must have at most ${BODY_CHARS_MAX} characters`),
      )
      .describe(`The text, trimmed: 1 to ${BODY_CHARS_MAX} characters (UTF-16 units).`),
    messageType: z
      .enum(['SMS', 'FLASH_SMS'], 'must be SMS or FLASH_SMS')
      .default('SMS')
      .describe('FLASH_SMS is shown at once and not kept.'),
    callbackUrl: callbackUrl
      .describe('Called with the outcome: https, a public host, no user or password.')
      .exactOptional(),
    metadata: z
      .record(
        text.max(METADATA_KEY_CHARS_MAX),
        text.max(METADATA_VALUE_CHARS_MAX, `values must have at most ${METADATA_VALUE_CHARS_MAX} characters`),
        'must be a map of strings',
      )
      .refine(
        (map) => Object.keys(map).length <= METADATA_ENTRIES_MAX,
        `must have at most ${METADATA_ENTRIES_MAX} entries`,
      )
      .describe(`Given back with the message; at most ${METADATA_ENTRIES_MAX} entries.`)
      .exactOptional(),
    expiresAt: instantOf
      .describe('Not sent after this; at most 48 hours after sendAt or now, which is also the default.')
      .exactOptional(),
    sendAt: instantOf
      .describe('SCHEDULED until then, and can be cancelled; in the future, at most 7 days away.')
      .exactOptional(),
  },
  'must be an object',
)

/**
 * A submit in normal form: what its fingerprint is taken of. `expiresAt` and `sendAt` only when the
 * client gave one, `metadata` only when there is any.
 */
export type SubmitCommand = z.infer<typeof SubmitBody>

export type ParsedCommand =
  | { readonly ok: true; readonly command: SubmitCommand; readonly warnings: readonly Fault[] }
  | ({ readonly ok: false } & Refusal)

/** Why a submit is not taken. */
export interface Refusal {
  readonly code: ProblemCode
  readonly errors: readonly Fault[]
}

/**
 * Faults name where and what is asked for, never what was given: the value may be a phone number.
 * Of a command that is taken the times are judged later, by `timingFaults`.
 */
export function parseCommand(input: unknown, nowMs: number): ParsedCommand {
  const parsed = SubmitBody.safeParse(input)
  if (parsed.success)
    return {
      ok: true,
      command: normalForm(parsed.data),
      warnings: warningsAbout(input, Object.keys(SubmitBody.shape)),
    }
  const { issues } = parsed.error
  const errors = [...issues.map(faultOf), ...timingFaultsOf(input, nowMs)]
  return { ok: false, code: codeOf(errors, issues), errors }
}

/** What an estimate needs of a submit [H14]. */
export const EstimateBody = SubmitBody.pick({ to: true, body: true })

/** The same faults under the same codes. */
export function parseEstimate(
  input: unknown,
):
  | { readonly ok: true; readonly command: z.infer<typeof EstimateBody> }
  | ({ readonly ok: false } & Refusal) {
  const parsed = EstimateBody.safeParse(input)
  if (parsed.success) return { ok: true, command: parsed.data }
  const errors = parsed.error.issues.map(faultOf)
  return { ok: false, code: codeOf(errors, parsed.error.issues), errors }
}

function normalForm({ metadata, ...command }: SubmitCommand): SubmitCommand {
  const isGiven = metadata !== undefined && Object.keys(metadata).length > 0
  return isGiven ? { ...command, metadata } : command
}

const WARNINGS_MAX = 20
const WARNED_NAME_CHARS_MAX = 64

/** A misspelt field must not be a silent mistake [SM1]. The names go back to who sent them only. */
export function warningsAbout(input: unknown, known: readonly string[]): readonly Fault[] {
  if (typeof input !== 'object' || input === null) return []
  return Object.keys(input)
    .filter((name) => !known.includes(name))
    .slice(0, WARNINGS_MAX)
    .map((name) => ({ path: name.slice(0, WARNED_NAME_CHARS_MAX), message: 'unknown field, ignored' }))
}

const readable = instantOf.optional().catch(undefined)
const Times = z.object({ expiresAt: readable, sendAt: readable })
interface Times {
  readonly expiresAt?: string | undefined
  readonly sendAt?: string | undefined
}

/** Beside the other faults of a body, so that a client learns of all at once. */
function timingFaultsOf(input: unknown, nowMs: number): readonly Fault[] {
  const times = Times.safeParse(input)
  return times.success ? timingFaults(times.data, nowMs) : []
}

/**
 * Apart from the schema, because only a new message is judged by the clock: a repeated request gets
 * its stored reply, however late it comes [SM7], [SM8].
 */
export function timingFaults({ expiresAt, sendAt }: Times, nowMs: number): Fault[] {
  const faults: Fault[] = []
  if (!isWithin(sendAt, nowMs, SEND_AHEAD_MS_MAX))
    faults.push({ path: 'sendAt', message: 'must be in the future, at most 7 days away' })
  const startMs = Math.max(nowMs, sendAt === undefined ? nowMs : Date.parse(sendAt))
  if (!isWithin(expiresAt, startMs, LIFETIME_MS_MAX)) {
    const after =
      sendAt === undefined ? 'in the future, at most 48 hours away' : 'at most 48 hours after sendAt'
    faults.push({ path: 'expiresAt', message: `must be ${after}` })
  }
  return faults
}

/** Of an instant that was not given nothing is asked. */
const isWithin = (instant: string | undefined, afterMs: number, atMostMs: number): boolean => {
  if (instant === undefined) return true
  const aheadMs = Date.parse(instant) - afterMs
  return aheadMs > 0 && aheadMs <= atMostMs
}

type Issue = z.core.$ZodIssue

/**
 * The special codes [ER4], [ER5] only when nothing else is wrong, so that a client that handles
 * them has nothing more to correct.
 */
function codeOf(errors: readonly Fault[], issues: readonly Issue[]): ProblemCode {
  if (errors.every((fault) => fault.path === 'to')) return 'INVALID_DESTINATION'
  const tooLong = issues.some((issue) => issue.path[0] === 'body' && issue.code === 'too_big')
  return tooLong && errors.length === 1 ? 'SMS_BODY_TOO_LONG' : 'INVALID_PAYLOAD'
}

// Only the first part of the path: what follows `metadata` is a key that the client chose.
const faultOf = (issue: Issue): Fault => ({
  path: issue.path[0] === undefined ? '' : String(issue.path[0]),
  message: issue.code === 'invalid_key' ? 'a key is too long or unreadable' : issue.message,
})

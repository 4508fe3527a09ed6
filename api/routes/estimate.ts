import { septetCount, septetsOf } from '../../streams/domain/message/gsm7.ts'
import { splitText } from '../../streams/domain/message/text-segments.ts'
import { admitted } from '../middleware/admission.ts'
import { jsonBody } from '../middleware/body.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import { Problem } from '../problem.ts'
import type { ApiRouter } from '../state.ts'
import { parseEstimate } from '../submit/command.ts'
import { SEND_BYTES_MAX, type SendDeps } from './send.ts'

/**
 * [H14]: `POST /v1/sms/estimate`. Takes a body of [H1], of which `to` and `body` count; stores
 * nothing.
 */
export const addEstimate = (
  router: ApiRouter,
  { identify, gate, instruments }: Pick<SendDeps, 'identify' | 'gate' | 'instruments'>,
): void => {
  router.post(
    '/v1/sms/estimate',
    counted(instruments, 'estimate'),
    identify,
    allowed('sms:send'),
    admitted(gate),
    jsonBody(SEND_BYTES_MAX),
    (ctx) => {
      const parsed = parseEstimate(ctx.state.json)
      if (!parsed.ok) throw new Problem(parsed.code, parsed.errors)
      ctx.body = { to: parsed.command.to, ...sizeOf(parsed.command.body) }
    },
  )
}

/** `unitsPerSegment`: septets for GSM7, UTF-16 units for UCS2; in each segment, in order. */
export function sizeOf(body: string) {
  const { encoding, parts } = splitText(body)
  return {
    encoding,
    segmentCount: parts.length,
    unitsPerSegment: parts.map((part) => septetCount(part) ?? part.length),
    ucs2Characters: encoding === 'GSM7' ? [] : outsideGsm7(body),
  }
}

/** Each once, in the order of the text; whole characters, not halves of surrogate pairs. */
const outsideGsm7 = (body: string): string[] => [
  ...new Set(Array.from(body).filter((character) => septetsOf(character.charCodeAt(0)) === 0)),
]

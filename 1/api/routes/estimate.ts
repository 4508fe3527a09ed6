import { z } from 'zod'
import { septetCount, septetsOf } from '../../streams/domain/message/gsm7.ts'
import { splitText } from '../../streams/domain/message/text-segments.ts'
import { admitted } from '../middleware/admission.ts'
import { jsonBody } from '../middleware/body.ts'
import { allowed } from '../middleware/identity.ts'
import { counted } from '../middleware/metrics.ts'
import type { Operation } from '../openapi/operation.ts'
import { Problem } from '../problem.ts'
import type { ApiRouter } from '../state.ts'
import { EstimateBody, parseEstimate } from '../submit/command.ts'
import { SEND_BYTES_MAX } from './send.ts'
import type { SubmitDeps } from './submit-head.ts'

const EstimateReply = z.object({
  to: z.string(),
  encoding: z.enum(['GSM7', 'UCS2']),
  segmentCount: z.int().min(1),
  unitsPerSegment: z.array(z.int().min(1)),
  ucs2Characters: z.array(z.string()),
})

export const estimateOperation: Operation = {
  method: 'post',
  path: '/v1/sms/estimate',
  id: 'estimateSms',
  summary: 'What a message would become',
  description: 'Takes the body of a submit, of which `to` and `body` count, and stores nothing.',
  scope: 'sms:send',
  request: {
    name: 'EstimateRequest',
    schema: EstimateBody,
    description: 'Number and text.',
    example: { to: '+44 7700 900123', body: 'Your code is 4711' },
  },
  success: {
    status: 200,
    body: {
      name: 'EstimateReply',
      schema: EstimateReply,
      description:
        '`unitsPerSegment`: septets for GSM7, UTF-16 units for UCS2. `ucs2Characters`: those that GSM7 lacks.',
      example: {
        to: '+447700900123',
        encoding: 'GSM7',
        segmentCount: 1,
        unitsPerSegment: [17],
        ucs2Characters: [],
      },
    },
  },
  problems: ['INVALID_DESTINATION', 'SMS_BODY_TOO_LONG'],
}

/**
 * [H14]: `POST /v1/sms/estimate`. Takes a body of [H1], of which `to` and `body` count; stores
 * nothing.
 */
export const addEstimate = (
  router: ApiRouter,
  { identify, gate, instruments }: Pick<SubmitDeps, 'identify' | 'gate' | 'instruments'>,
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

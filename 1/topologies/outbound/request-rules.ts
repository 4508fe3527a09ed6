import type { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { isE164 } from '../../streams/domain/message/msisdn.ts'
import { encodingOf, segmentCount } from '../../streams/domain/message/text-segments.ts'
import { senderKind } from '../../streams/domain/message/sender.ts'

export const BODY_UNITS_MAX = 1600

interface Rule {
  readonly broken: (request: OutboundRequest) => boolean
  /** Names the field and the rule, never the value: it is personal data and goes to logs. */
  readonly says: string
}

/** [O5], in order; the first broken rule is the reason. */
const RULES: readonly Rule[] = [
  { broken: ({ to }) => !isE164(to), says: 'to is not an E.164 number' },
  {
    broken: ({ from }) => senderKind(from) === null,
    says: 'from is neither an E.164 number, a short code nor a name',
  },
  { broken: ({ body }) => body.length === 0, says: 'body is empty' },
  {
    broken: ({ body }) => body.length > BODY_UNITS_MAX,
    says: `body is longer than ${BODY_UNITS_MAX} characters`,
  },
  {
    broken: (request) => request.encoding !== encodingOf(request.body),
    says: 'encoding is not that of the body',
  },
  {
    broken: (request) => request.segmentCount !== segmentCount(request.body),
    says: 'segmentCount is not that of the body',
  },
  // Both are instants of one fixed form, so that their text compares as their time does.
  {
    broken: ({ enqueuedAt, expiresAt }) => expiresAt <= enqueuedAt,
    says: 'expiresAt is not after enqueuedAt',
  },
  {
    broken: ({ sendAt, expiresAt }) => sendAt !== undefined && expiresAt <= sendAt,
    says: 'expiresAt is not after sendAt',
  },
]

/** What is wrong with the request's content; null when it can be sent. */
export const brokenRule = (request: OutboundRequest): string | null =>
  RULES.find((rule) => rule.broken(request))?.says ?? null

/** W3C trace context as it travels in the headers `traceparent` and `tracestate` [TR4]. */
export interface Trace {
  readonly traceparent: string
  readonly tracestate?: string
}

/** 00-<trace id>-<span id>-<flags> */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/

/** What is not of the standard's form is nobody's trace, and whatever it is must reach no log. */
export function traceFrom(header: (name: string) => string | undefined): Trace | undefined {
  const traceparent = header('traceparent')
  if (traceparent === undefined || !TRACEPARENT.test(traceparent)) return undefined
  const tracestate = header('tracestate')
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate }
}

export const traceIdsOf = ({ traceparent }: Trace): { traceId: string; spanId: string } => ({
  traceId: traceparent.slice(3, 35),
  spanId: traceparent.slice(36, 52),
})

/** Whoever began it records it. */
export const isSampled = ({ traceparent }: Trace): boolean =>
  (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1

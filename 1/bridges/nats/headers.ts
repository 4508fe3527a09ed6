import { headers as emptyNatsHeaders, type MsgHdrs } from '@nats-io/transport-node'
import type { Headers, HeaderValue } from '../../streams/log/port.ts'

/** Position in the NATS stream; where a mirrored record came from. */
export const SOURCE_SEQUENCE_HEADER = 'x-src-seq'
const REPLAYED = 'replayed'
/** Written by us alone [P3]: a message that claims to be replayed would lose its command. */
const OWN: ReadonlySet<string> = new Set([SOURCE_SEQUENCE_HEADER, REPLAYED])

/**
 * A copied `Nats-Rollup` would wipe a stream, a copied `Nats-Msg-Id` swallow an event. So
 * everything of NATS's own stays behind [EV57].
 */
const isOwnedByNats = (lowerName: string): boolean => lowerName.startsWith('nats-')

/**
 * Names that differ in case only become one header in its first spelling, values in the order given
 * [EV57].
 */
export function toLogHeaders(given: MsgHdrs | undefined, streamSequence: number): Headers {
  const merged = new Map<string, { readonly name: string; readonly values: string[] }>()
  for (const [name, values] of given ?? []) {
    const lower = name.toLowerCase()
    if (isOwnedByNats(lower) || OWN.has(lower)) continue
    const header = merged.get(lower) ?? { name, values: [] }
    header.values.push(...values)
    merged.set(lower, header)
  }
  const copied = [...merged.values()].map(({ name, values }) => [name, oneOrMany(values)] as const)
  return Object.fromEntries([...copied, [SOURCE_SEQUENCE_HEADER, String(streamSequence)]])
}

const oneOrMany = (values: readonly string[]): string | readonly string[] =>
  values.length === 1 ? (values[0] ?? '') : values

// A header name of NATS is printable ASCII without a colon, a value one line (the client throws
// otherwise).
const NAME = /^[!-9;-~]+$/
const LINE_BREAK = /[\r\n]/

/**
 * `replayed` becomes `Replayed: true` [EV54]. What NATS cannot carry in a header is left out: the
 * payload is what counts.
 */
export function toNatsHeaders(given: Headers): MsgHdrs {
  const headers = emptyNatsHeaders()
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    if (isOwnedByNats(lower) || lower === SOURCE_SEQUENCE_HEADER || !NAME.test(name)) continue
    if (lower === REPLAYED) headers.set('Replayed', 'true')
    else for (const text of texts(value)) headers.append(name, text)
  }
  return headers
}

const texts = (value: HeaderValue | readonly HeaderValue[]): readonly string[] =>
  (isMany(value) ? value : [value]).map(String).filter((text) => !LINE_BREAK.test(text))

const isMany = (value: HeaderValue | readonly HeaderValue[]): value is readonly HeaderValue[] =>
  Array.isArray(value)

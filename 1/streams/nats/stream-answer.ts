import type { Msg } from '@nats-io/transport-node'

/** What a stream has said to one message. */
export type StreamAnswer =
  | { readonly kind: 'stored'; readonly duplicate: boolean; readonly sequence: number }
  /** It does not have it. `reason` is what the server says, and names nothing of the message. */
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string }
  /** It may or may not have it. */
  | { readonly kind: 'silence'; readonly reason: string }

export const silence = (reason: string): StreamAnswer => ({ kind: 'silence', reason })

const NO_RESPONDERS = 503

/** Of the acknowledgement of JetStream, or of the server when no stream takes the subject. */
export function answerIn({ data, headers }: Pick<Msg, 'data' | 'headers'>): StreamAnswer {
  if (data.length === 0)
    return silence(headers?.code === NO_RESPONDERS ? 'no stream takes the subject' : 'empty answer')
  const answer = parsed(data)
  const error = fieldOf(answer, 'error')
  const code = fieldOf(error, 'err_code')
  if (typeof code === 'number')
    return { kind: 'refused', code, reason: String(fieldOf(error, 'description')) }
  const sequence = fieldOf(answer, 'seq')
  if (typeof sequence !== 'number') return silence('no answer of a stream')
  return { kind: 'stored', duplicate: fieldOf(answer, 'duplicate') === true, sequence }
}

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8'))
  } catch {
    // What cannot be read says nothing about what was stored.
    return undefined
  }
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

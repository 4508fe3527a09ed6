import type { Headers } from '../log/port.ts'
import { originalBytes, type FoundDeadLetter } from './dead-letters.ts'

/**
 * One line: when, where it lay, why, which fields, and the id for `show` and `requeue`. No payload.
 */
export const asLine = ({ letter }: FoundDeadLetter): string =>
  [letter.failedAt, letter.eventId, sourceOf(letter), letter.reason, pathsOf(letter)].join('  ').trimEnd()

/** All of it; the payload, which is personal data, only when it was asked for. */
export function asPage(found: FoundDeadLetter, withPayload: boolean): string {
  const { record, letter } = found
  const payload = originalBytes(letter)
  const lines = [
    `id         ${letter.eventId}`,
    `source     ${sourceOf(letter)}`,
    `kept at    ${record.topic}:${record.partition}:${record.offset}`,
    `failed at  ${letter.failedAt}`,
    `reason     ${letter.reason}`,
    ...letter.errors.map(({ path, message }) => `error      ${path === '' ? '(record)' : path}: ${message}`),
    ...headerLines(record.headers),
    `payload    ${payload.length} bytes${restOf(letter)}${withPayload ? '' : '; --payload shows them and the key: personal data'}`,
  ]
  return withPayload
    ? [...lines, `key        ${record.key?.toString() ?? '(none)'}`, '', payload.toString()].join('\n')
    : lines.join('\n')
}

/** What a dead letter had no room for. */
const restOf = ({ truncated, payloadBytes }: FoundDeadLetter['letter']): string => {
  if (truncated !== true) return ''
  return payloadBytes === undefined ? ' (without its key and headers)' : ` of ${payloadBytes}`
}

const sourceOf = (letter: FoundDeadLetter['letter']): string =>
  `${letter.sourceTopic}:${letter.sourcePartition}:${letter.sourceOffset}`

const pathsOf = ({ errors }: FoundDeadLetter['letter']): string => errors.map(({ path }) => path).join(',')

const headerLines = (headers: Headers): readonly string[] =>
  Object.entries(headers).flatMap(([name, value]) => {
    const all = typeof value === 'string' || Buffer.isBuffer(value) ? [value] : value
    return all.map((one) => `header     ${name}: ${one.toString()}`)
  })

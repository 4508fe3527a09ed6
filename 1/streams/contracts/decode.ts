import { SCHEMA_VERSION, type Topic } from './topic.ts'

export interface DecodeError {
  readonly path: string
  readonly message: string
}

/**
 * Why a record cannot be read: not JSON, a shape that its schema refuses, or an unknown major
 * version.
 */
export interface Unreadable {
  readonly ok: false
  readonly reason: 'not_json' | 'schema' | 'version'
  readonly errors: DecodeError[]
}
export type Decoded<V> = { readonly ok: true; readonly value: V } | Unreadable

const ERRORS_MAX = 20

/**
 * Reads one record tolerantly [EV70]: unknown fields pass, `version` stands in for `schemaVersion`,
 * '1' for '1.0' [EV41]. Error messages name the field and the rule, never the value: values are
 * personal data, and so are the keys of metadata, which are the client's own words.
 */
export function decode<V>(topic: Topic<V>, bytes: Buffer | Uint8Array | null): Decoded<V> {
  const parsed = parseJson(bytes)
  if (parsed === undefined) return { ok: false, reason: 'not_json', errors: [] }
  const versioned = withVersion(parsed)
  if (versioned === 'unknown') {
    return {
      ok: false,
      reason: 'version',
      errors: [{ path: 'schemaVersion', message: 'unknown major version' }],
    }
  }
  const checked = topic.schema.safeParse(versioned)
  if (checked.success) return { ok: true, value: checked.data }
  const errors = checked.error.issues
    .slice(0, ERRORS_MAX)
    .map((issue) => ({ path: fieldOf(issue.path), message: issue.message }))
  return { ok: false, reason: 'schema', errors }
}

function fieldOf(path: readonly PropertyKey[]): string {
  const words = path.indexOf(METADATA)
  return (words === -1 ? path : path.slice(0, words + 1)).map(String).join('.')
}
const METADATA = 'metadata'

export const encode = (value: unknown): string => JSON.stringify(value)

// Made once: making one costs several times its use.
const DECODER = new TextDecoder()

function parseJson(bytes: Buffer | Uint8Array | null): unknown {
  if (bytes === null) return undefined
  try {
    const parsed: unknown = JSON.parse(
      Buffer.isBuffer(bytes) ? bytes.toString('utf8') : DECODER.decode(bytes),
    )
    return parsed
  } catch {
    return undefined
  }
}

function withVersion(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const { schemaVersion, version } = value as { schemaVersion?: unknown; version?: unknown }
  if (schemaVersion === SCHEMA_VERSION) return value
  const given = schemaVersion ?? version
  if (typeof given !== 'string') return value
  if (!/^\d+(\.\d+)?$/.test(given)) return value
  const [major, minor] = given.split('.')
  if (major !== '1') return 'unknown'
  if (schemaVersion !== undefined && minor !== undefined) return value
  return { ...value, schemaVersion: `1.${minor ?? '0'}` }
}

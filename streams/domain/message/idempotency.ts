import { hash } from 'node:crypto'

/** What JSON can hold. Members that are undefined count as absent, as JSON.stringify has it. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue | undefined }

/**
 * Hex sha256 of tenant, account and key [SM14]. Two accounts that choose the same key never see
 * each other's replies, and an account id that another tenant names reaches none of this one's
 * keys. The first two are uuids and hold no colon, so the parts cannot run together.
 */
export const idempotencyHash = (tenantId: string, accountId: string, key: string): string =>
  hash('sha256', `${tenantId}:${accountId}:${key}`, 'hex')

/**
 * Hex sha256 of the normalised command: equal for equal content, whatever the order of its members.
 * Defaults must be filled in and texts trimmed before, so that a client that spells a default out
 * does not get a conflict.
 */
export const requestFingerprint = (normalisedCommand: JsonValue): string =>
  hash('sha256', canonicalJson(normalisedCommand), 'hex')

/**
 * JSON without blanks, members sorted by UTF-16 units (the ordering of RFC 8785).
 * @throws TypeError for a number that JSON cannot hold: JSON.stringify would make it null and two
 *   commands equal.
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('the number is not finite')
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`
  let members = ''
  for (const name of Object.keys(value).sort()) {
    const member = value[name]
    if (member !== undefined)
      members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(member)}`
  }
  return `{${members}}`
}

/** Array.isArray alone does not narrow a readonly array. */
const isList = (value: object): value is readonly JsonValue[] => Array.isArray(value)

import type { SchemaElement } from 'hyparquet'
import { z } from 'zod'
import type { Queryable } from '../../postgres/statement.ts'

/** A value as Postgres prints it; null is null. */
export type Cell = string | null

/** How a column of a table stands in a file. */
export interface ArchiveColumn {
  readonly name: string
  /** As SQL calls it. */
  readonly type: string
  readonly schema: SchemaElement
  /** @throws UnreadableCell, which names the column and quotes nothing. */
  readonly toFile: (cell: Cell) => unknown
  /** The same text again; `undefined` and null are null. */
  readonly toCell: (value: unknown) => Cell
  readonly isInstant: boolean
}

interface Kind {
  readonly element: Omit<SchemaElement, 'name' | 'repetition_type'>
  readonly toFile: (text: string) => unknown
  readonly toText: (value: unknown) => string
}

/** To the microsecond, as Postgres has it; a Date of JavaScript would end at the millisecond. */
const INSTANT: Kind = {
  element: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } },
  toFile: microsOf,
  toText: (value) => instantOf(z.bigint().parse(value)),
}
const WHOLE: Kind = { element: { type: 'INT32' }, toFile: Number, toText: (value) => String(value) }

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['timestamp with time zone', INSTANT],
  ['smallint', WHOLE],
  ['integer', WHOLE],
  ['bigint', { element: { type: 'INT64' }, toFile: BigInt, toText: (value) => String(value) }],
  [
    'boolean',
    {
      element: { type: 'BOOLEAN' },
      toFile: (text) => text === 't',
      toText: (value) => (value === true ? 't' : 'f'),
    },
  ],
  [
    'uuid',
    {
      element: { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } },
      toFile: (text) => text,
      toText: (value) => String(value),
    },
  ],
])

/** Every other type, JSON too, as the text that Postgres prints: nothing is lost in it. */
const TEXT: Kind = {
  element: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  toFile: (text) => text,
  toText: (value) => String(value),
}

const Attribute = z.object({ name: z.string(), type: z.string(), is_required: z.boolean() })

/** As the catalogue has them: a column that a later migration adds is archived like the others. */
export async function columnsOf(client: Queryable, relation: string): Promise<readonly ArchiveColumn[]> {
  const { rows } = await client.query(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type, attnotnull AS is_required
     FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [relation],
  )
  return z
    .array(Attribute)
    .parse(rows)
    .map(({ name, type, is_required: isRequired }) => columnOf(name, type, isRequired))
}

export function columnOf(name: string, type: string, isRequired: boolean): ArchiveColumn {
  const kind = KINDS.get(type) ?? TEXT
  return {
    name,
    type,
    schema: { name, ...kind.element, repetition_type: isRequired ? 'REQUIRED' : 'OPTIONAL' },
    toFile: (cell) => (cell === null ? null : (kind.toFile(cell) ?? unreadable(name))),
    toCell: (value) => (value === null || value === undefined ? null : kind.toText(value)),
    isInstant: kind === INSTANT,
  }
}

/** A value that a file could not give back as it was. */
export class UnreadableCell extends Error {
  override readonly name = 'UnreadableCell'
}

const unreadable = (column: string): never => {
  throw new UnreadableCell(`a value of ${column} has no place in a file`)
}

/** With TimeZone UTC and DateStyle ISO. Years 1 to 9999, as the contracts have them [DB78]. */
const PRINTED = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/

function microsOf(text: string): bigint | undefined {
  const [, date, time, fraction = ''] = PRINTED.exec(text) ?? []
  if (date === undefined || time === undefined) return undefined
  return BigInt(Date.parse(`${date}T${time}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'))
}

const MICROS = 1_000_000n

function instantOf(micros: bigint): string {
  const fraction = ((micros % MICROS) + MICROS) % MICROS
  const [date = '', time = ''] = new Date(Number((micros - fraction) / 1000n)).toISOString().split('T')
  const digits = fraction === 0n ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`
  return `${date} ${time.slice(0, 8)}${digits}+00`
}

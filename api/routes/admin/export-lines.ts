import type { Orphan } from './desk.ts'

/** How an export is written: text of a page, and what stands before the first one. */
export interface ExportFormat {
  readonly media: 'application/x-ndjson' | 'text/csv'
  readonly head: string
  readonly lines: (page: readonly Orphan[]) => string
}

export const NDJSON: ExportFormat = {
  media: 'application/x-ndjson',
  head: '',
  lines: (page) => page.map((orphan) => `${JSON.stringify(orphan)}\n`).join(''),
}

const COLUMNS = [
  'orphanId',
  'operatorId',
  'operatorMessageId',
  'rawStat',
  'receivedAt',
  'rawPayload',
] as const satisfies readonly (keyof Orphan)[]

export const CSV: ExportFormat = {
  media: 'text/csv',
  head: `${COLUMNS.join(',')}\r\n`,
  lines: (page) =>
    page.map((orphan) => `${COLUMNS.map((name) => csvField(orphan[name])).join(',')}\r\n`).join(''),
}

/**
 * What a spreadsheet reads as the beginning of a formula, in half and full width, also behind what
 * it skips. An operator chooses ids and status words, and so would choose what runs on the desk of
 * whoever opens the file.
 */
const FORMULA = /^[\s\0]*[=+\-@|＝＋－＠]|^[\t\r\n]/

/** RFC 4180, every field quoted. One that begins a formula gets an apostrophe, and is then text. */
export function csvField(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const given = value === null || value === undefined ? '' : text
  const harmless = FORMULA.test(given) ? `'${given}` : given
  return `"${harmless.replaceAll('"', '""')}"`
}

import { Readable } from 'node:stream'
import { Problem } from '../../problem.ts'
import type { Orphan } from './desk.ts'
import type { ExportFormat } from './export-lines.ts'

/** Each holds up to two pages, and asks for the next over one of two connections. */
const EXPORTS_MAX = 2
/** A client that reads slower than this holds a place that others wait for. */
const EXPORT_MS_MAX = 15 * 60_000

/**
 * Gives the text of an export as a stream that asks for a page when its reader has taken the one
 * before. What fails before the first page is still a problem [ER1]; afterwards the answer breaks
 * off, and the client sees that its end is missing. `ended` gets the number of rows that went out.
 */
export type Exporter = (
  pages: AsyncIterable<readonly Orphan[]>,
  format: ExportFormat,
  ended: (rows: number) => void,
) => Promise<Readable>

export function exporter({ exportsMax = EXPORTS_MAX, msMax = EXPORT_MS_MAX } = {}): Exporter {
  let underWay = 0
  return async (pages, format, ended) => {
    if (underWay >= exportsMax) throw new Problem('OVERLOADED')
    underWay += 1
    try {
      const counted = { rows: 0 }
      const iterator = pages[Symbol.asyncIterator]()
      const text = textOf(await iterator.next(), iterator, format, counted)
      const stream = Readable.from(text, { highWaterMark: 1 })
      const patience = setTimeout(() => stream.destroy(new Error('the export took too long')), msMax)
      // Koa destroys it as well when the client has gone before the first byte.
      stream.once('close', () => {
        clearTimeout(patience)
        underWay -= 1
        ended(counted.rows)
      })
      return stream
    } catch (error) {
      underWay -= 1
      throw error
    }
  }
}

async function* textOf(
  first: IteratorResult<readonly Orphan[]>,
  iterator: AsyncIterator<readonly Orphan[]>,
  { head, lines }: ExportFormat,
  counted: { rows: number },
): AsyncGenerator<string> {
  if (head !== '') yield head
  for (let page = first; page.done !== true; page = await iterator.next()) {
    counted.rows += page.value.length
    yield lines(page.value)
  }
}

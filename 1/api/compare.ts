import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

/**
 * `node dist/api/compare.js OLD NEW`: whether this API answers as the gateway before it did [FL5].
 * Both files are NDJSON of {requestId, status, headers, body}. Prints counts and the first
 * differences; exit 1 when more than one answer in a thousand differs, or stands in one file only,
 * or nothing could be compared. Never prints a value: bodies hold personal data.
 */
export interface Comparison {
  readonly compared: number
  readonly different: number
  /** In one of the two files only. */
  readonly alone: number
  /** At most `SHOWN_MAX`: which request, and where its answers differ. */
  readonly shown: readonly string[]
  readonly isAcceptable: boolean
}

const SHOWN_MAX = 20
/** [MG2] */
const SHARE_MAX = 0.001
/** Ids and instants of each side's own, and what only one side knows [FL6]. */
const OWN_MEMBERS = new Set(['messageId', 'enqueuedAt', 'instance'])

const Line = z.object({ requestId: z.string(), status: z.number(), headers: z.unknown(), body: z.unknown() })
type Line = z.infer<typeof Line>

/** @throws Error that names the line which cannot be read. */
export function compare(oldText: string, newText: string): Comparison {
  const [before, after] = [linesOf(oldText), linesOf(newText)]
  const shared = [...before.keys()].filter((requestId) => after.has(requestId))
  const differences = shared.flatMap((requestId) => {
    const places = placesOf(before.get(requestId), after.get(requestId))
    return places.length > 0 ? [`${requestId}: ${places.join(', ')}`] : []
  })
  const alone = before.size + after.size - 2 * shared.length
  const share = (differences.length + alone) / Math.max(1, before.size)
  return {
    compared: shared.length,
    different: differences.length,
    alone,
    shown: differences.slice(0, SHOWN_MAX),
    isAcceptable: shared.length > 0 && share <= SHARE_MAX,
  }
}

function linesOf(text: string): ReadonlyMap<string, Line> {
  const lines = new Map<string, Line>()
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return
    const read = Line.safeParse(parsed(line))
    if (!read.success) throw new Error(`line ${index + 1} is no answer`)
    lines.set(read.data.requestId, read.data)
  })
  return lines
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Members that the new side added are no difference: fields may be added [FL6]. */
function placesOf(before: Line | undefined, after: Line | undefined): string[] {
  if (before === undefined || after === undefined) return []
  const status = before.status === after.status ? [] : ['status']
  return [...status, ...differing(before.body, after.body, 'body')]
}

function differing(before: unknown, after: unknown, path: string): string[] {
  if (!isRecord(before) || !isRecord(after)) return isDeepStrictEqual(before, after) ? [] : [path]
  return Object.keys(before)
    .filter((name) => !OWN_MEMBERS.has(name))
    .flatMap((name) => differing(before[name], after[name], `${path}.${name}`))
}

/** Lists too: by position. */
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

export async function main(
  [oldFile, newFile]: readonly string[],
  print: (line: string) => void,
): Promise<number> {
  if (oldFile === undefined || newFile === undefined) {
    print('compare OLD NEW: two files of NDJSON')
    return 2
  }
  const result = compare(await readFile(oldFile, 'utf8'), await readFile(newFile, 'utf8'))
  print(`compared ${result.compared}, different ${result.different}, in one file only ${result.alone}`)
  for (const line of result.shown) print(line)
  return result.isAcceptable ? 0 : 1
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].replaceAll('\\', '/')))
  process.exitCode = await main(process.argv.slice(2), (line) => void process.stdout.write(`${line}\n`))

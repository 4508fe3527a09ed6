import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { identify, type ProcessIdentity } from './process-identity.ts'

/** The ignored folder below which everything of the local stack lives. */
export const stackRoot = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), '.stack')

const serverRecordSchema = z.object({
  kind: z.literal('process'),
  pid: z.number().int().positive(),
  started: z.string(),
  stopSignal: z.enum(['SIGTERM', 'SIGINT', 'SIGQUIT']),
})
const folderRecordSchema = z.object({ kind: z.literal('folder'), path: z.string() })
const composeRecordSchema = z.object({ kind: z.literal('compose'), project: z.string() })
const recordSchema = z.discriminatedUnion('kind', [
  serverRecordSchema,
  folderRecordSchema,
  composeRecordSchema,
])

/**
 * What a run leaves to clear away when its owner is killed: one small file each, written before the
 * thing is used.
 */
export type RunRecord = z.infer<typeof recordSchema>

/**
 * The folder of one stack. Its name carries the owner's identity, so that whether the owner lives
 * is known from the moment the folder exists; a file inside it would come a moment later.
 */
export interface RunFolder {
  readonly path: string
  readonly owner: ProcessIdentity
}

const namePattern = /^run-(?<pid>\d+)-(?<started>[0-9a-f]{12})-\d+$/

let runsOfThisProcess = 0

/** Makes the folder of a new run of this process. */
export const createRunFolder = (root: string): RunFolder => {
  const owner = identify(process.pid)
  if (owner === undefined)
    throw new Error('This process cannot be identified: neither /proc nor ps answered.')
  runsOfThisProcess += 1
  const path = join(root, `run-${owner.pid}-${owner.started}-${runsOfThisProcess}`)
  mkdirSync(path, { recursive: true })
  return { path, owner }
}

/** All runs below `root`, of any owner. */
export const listRunFolders = (root: string): RunFolder[] => {
  mkdirSync(root, { recursive: true })
  return readdirSync(root).flatMap((name) => {
    const groups = namePattern.exec(name)?.groups
    if (groups?.['pid'] === undefined || groups['started'] === undefined) return []
    return [{ path: join(root, name), owner: { pid: Number(groups['pid']), started: groups['started'] } }]
  })
}

export const writeRecord = (run: RunFolder, name: string, record: RunRecord): void => {
  writeFileSync(join(run.path, `${name}.record.json`), `${JSON.stringify(record)}\n`)
}

/** Keeps a server's pid together with its start, before the server has done anything. */
export const recordProcess = (
  run: RunFolder,
  name: string,
  pid: number,
  stopSignal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT',
): void => {
  const identity = identify(pid)
  if (identity !== undefined) writeRecord(run, name, { kind: 'process', ...identity, stopSignal })
}

/**
 * A record that a kill cut in half is skipped: its server had just begun, and nobody knew of it
 * yet.
 */
export const readRecords = (run: RunFolder): RunRecord[] =>
  readdirSync(run.path).flatMap((name) => {
    if (!name.endsWith('.record.json')) return []
    const text = readFileSync(join(run.path, name), 'utf8')
    const parsed = recordSchema.safeParse(text.endsWith('\n') ? JSON.parse(text) : undefined)
    return parsed.success ? [parsed.data] : []
  })

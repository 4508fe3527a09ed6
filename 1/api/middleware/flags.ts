import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { sleep } from '../../streams/platform/backoff.ts'
import { flag } from '../../streams/platform/config.ts'
import type { Logger } from '../../streams/platform/logger.ts'

/** What can be switched while the process runs [FL1], [FL2]. */
export interface Flags {
  readonly enabled: boolean
  readonly shadow: boolean
}

export interface WatchedFlags {
  readonly current: Flags
  close(): Promise<void>
}

export interface FlagsOptions {
  /** Of the environment; what the file does not name is so. */
  readonly defaults: Flags
  readonly file: string | undefined
  readonly logger: Logger
  readonly everyMs?: number
}

/**
 * A mounted file changes at once for a reader by name, and a watch on it would be lost (symlinks).
 */
const EVERY_MS = 2_000

const Given = z.object({ SUBMIT_API_ENABLED: flag.optional(), SUBMIT_API_SHADOW: flag.optional() })

/**
 * Reads the file before it answers, then again and again. While it cannot be read all stays as it
 * was.
 */
export async function watchFlags(options: FlagsOptions): Promise<WatchedFlags> {
  const { file, defaults, logger, everyMs = EVERY_MS } = options
  const stopping = new AbortController()
  const watched = { current: defaults }
  const look = async (from: string): Promise<void> => {
    const read = await readFlags(from, defaults)
    if (read === undefined) return logger.warn('api.flags_unreadable')
    const { current } = watched
    if (read.enabled !== current.enabled || read.shadow !== current.shadow)
      logger.info('api.flags_changed', { status: `enabled=${read.enabled} shadow=${read.shadow}` })
    watched.current = read
  }
  const loop = async (from: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sleep(everyMs, stopping.signal)
      await look(from)
    }
  }
  if (file !== undefined) await look(file)
  const running = file === undefined ? Promise.resolve() : loop(file)
  return {
    get current() {
      return watched.current
    },
    async close() {
      stopping.abort()
      await running
    },
  }
}

async function readFlags(file: string, defaults: Flags): Promise<Flags | undefined> {
  try {
    const given = Given.parse(JSON.parse(await readFile(file, 'utf8')))
    return {
      enabled: given.SUBMIT_API_ENABLED ?? defaults.enabled,
      shadow: given.SUBMIT_API_SHADOW ?? defaults.shadow,
    }
  } catch {
    // The caller says so and keeps what was.
    return undefined
  }
}

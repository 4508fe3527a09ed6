/**
 * The guard of one run: waits for the end of its owner, which closes the pipe, then clears what the
 * owner has not cleared itself. `node --import tsx guard-process.ts FOLDER`.
 */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { clearLeftovers } from '../leftovers.ts'

const folder = process.argv[2] ?? ''
const root = dirname(folder)

process.stdin.resume()
process.stdin.once('end', () => void clear())

async function clear(): Promise<void> {
  // The pipe closes in the middle of the owner's end, and a run of a living owner is not cleared.
  while (existsSync(folder)) {
    await clearLeftovers(root, () => undefined)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

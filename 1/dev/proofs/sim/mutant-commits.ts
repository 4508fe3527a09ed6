import type { Written } from '../../../streams/log/port.ts'
import { Committer, type CommitterOptions } from '../../../streams/runtime/commit/committer.ts'
import type { Part } from '../../../streams/runtime/commit/part.ts'
import { taskName } from '../../../streams/runtime/watch/hooks.ts'
import type { Plant } from './process.ts'

/** Mutants that break what tasks hand in, or what becomes of it. */

type Commit = (part: Part, commit: (part: Part) => Promise<Written>) => Promise<Written>

export function committing(options: CommitterOptions, change: Commit): Committer {
  return new (class extends Committer {
    override commit(part: Part): Promise<Written> {
      return change(part, (one) => super.commit(one))
    }
  })(options)
}

/** What an abort has undone stays in the overlay, and goes with the next round. */
export function abortedOverlayKept(): Plant {
  return {
    committer: (options) => {
      const kept = new Map<string, Part['records']>()
      return committing(options, async (part, commit) => {
        const id = taskName(part.task)
        const records = [...(kept.get(id) ?? []), ...part.records]
        kept.set(id, records)
        const written = await commit({ ...part, records })
        kept.delete(id)
        return written
      })
    },
  }
}

import type { Hooks, TaskId } from '../watch/hooks.ts'
import type { Effects } from './round.ts'

/** Reports a round that has been committed. */
export function tell(
  hooks: Hooks,
  id: TaskId,
  { poison, notes, read, fired }: Effects,
  commit: { readonly written: number; readonly commitMs: number },
): void {
  for (const { record, letter } of poison) {
    const paths = letter.errors.map(({ path }) => path)
    hooks.poisoned(id, record.topic, record.offset, letter.reason, paths)
  }
  if (notes.length > 0) hooks.noted(id, notes)
  hooks.committed(id, { read, fired, ...commit })
}

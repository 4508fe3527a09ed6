import { LogError } from '../../../streams/log/port.ts'
import { noHooks, taskName, type Hooks, type TaskId } from '../../../streams/runtime/watch/hooks.ts'
import type { History } from './history.ts'

/** What a simulated process reports, and which of it must never be. */
export function historyHooks(name: string, history: History): Hooks {
  const say = (task: TaskId, text: string): void => history.line(`${name} ${taskName(task)} ${text}`)
  return {
    ...noHooks,
    restored: (task, records) => say(task, `restored ${records}`),
    running: (task) => say(task, 'runs'),
    committed: (task, { read, fired, written }) =>
      say(task, `committed ${[...read].join(' ')} fired ${fired} written ${written}`),
    recovering: (task, reason) => say(task, `recovers: ${String(reason)}`),
    outdated: (task) => say(task, 'is outdated'),
    poisoned: (task, topic, offset, reason) => say(task, `poisoned ${topic} ${offset} ${reason}`),
    closed: (task) => say(task, 'closed'),
    gap: (task, topic, from, to) =>
      history.violation(`${taskName(task)} has a gap in ${topic}: ${from} to ${to}`),
    standbyFailed: (task, error) => {
      say(task, `standby fails: ${String(error)}`)
      if (!(error instanceof LogError) || error.code === 'fatal')
        history.violation(`standby ${taskName(task)} fails at ${name}: ${String(error)}`)
    },
    // The days that pass here make stores old; these disks lose themselves whole and are never
    // broken.
    wiped: (task, reason) => say(task, `wiped: ${String(reason)}`),
    failed: (task, error) => {
      // A handler's defect carries its place in its stack, which is what the reader needs.
      const text = error instanceof Error ? (error.stack ?? String(error)) : String(error)
      history.violation(`${taskName(task)} failed at ${name}: ${text}`)
    },
  }
}

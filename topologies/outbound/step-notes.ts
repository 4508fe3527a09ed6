import type { MessageStatus } from '../../streams/domain/statuses.ts'
import type { NoteFields } from '../../streams/dsl/processor.ts'
import type { NoteName } from '../notes.ts'
import { isRouted, type About, type Placed } from './events.ts'

interface Notes {
  readonly key: string
  note(name: NoteName, fields: NoteFields): void
}

/** Which step of the pipeline a message has passed when it reaches a status [M6]. */
const PASSED: Readonly<Partial<Record<MessageStatus, NoteFields>>> = {
  SCHEDULED: { stage: 'idempotency', result: 'ok' },
  QUEUED: { stage: 'idempotency', result: 'ok' },
  ROUTING: { stage: 'validate', result: 'ok' },
  ROUTED: { stage: 'route', result: 'ok' },
  SENT: { stage: 'publish', result: 'ok' },
}
const ROUTE_TRANSIENT: NoteFields = { stage: 'route', result: 'transient' }

/** Counts and logs one transition. A re-read notes nothing: it was counted when it happened. */
export function noteStep(scope: Notes, { step, previous, run }: Placed, { tenantId }: About): void {
  const { status, attempt, error } = step
  const operatorId = isRouted(step) ? run.route?.operatorId : undefined
  const about = { messageId: scope.key, tenantId, operatorId, attempt }
  scope.note('orch.transition', { ...about, previousStatus: previous ?? 'none', status })
  if (step.retryAt !== undefined) {
    scope.note('orch.retry', { ...about, status, reason: error?.code })
    scope.note('orch.stage', { ...about, ...ROUTE_TRANSIENT, error: error?.code })
  } else if (error !== undefined) {
    scope.note('orch.dead_letter', { ...about, status, reason: error.code })
    scope.note('orch.stage', { ...about, stage: stageBefore(previous), result: 'fail', error: error.code })
  } else {
    // Once a message: what was SCHEDULED has been counted.
    const passed = previous === 'SCHEDULED' ? undefined : PASSED[status]
    if (passed !== undefined) scope.note('orch.stage', { ...about, ...passed })
  }
}

/** The step at which a message failed that had come as far as this. */
const stageBefore = (previous: MessageStatus | null): string => {
  if (previous === 'QUEUED') return 'validate'
  return previous === 'ROUTED' || previous === 'SENT' ? 'publish' : 'route'
}

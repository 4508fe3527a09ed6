import type { Queryable } from '../postgres/statement.ts'

export interface AdminMeans {
  readonly now: () => number
  readonly newId: () => string
}

interface AdminAction {
  readonly action: 'deadletter.replay' | 'outbox.release'
  readonly target: string
  readonly actor: string
  readonly reason: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** The record of who changed what [DB8], in the transaction that changes it. */
export const keepAction = (
  client: Queryable,
  { now, newId }: AdminMeans,
  { action, target, actor, reason, detail }: AdminAction,
) =>
  client.query(
    `INSERT INTO orch.admin_actions (action_id, action, target, actor, reason, detail, at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [newId(), action, target, actor, reason, JSON.stringify(detail), new Date(now())],
  )

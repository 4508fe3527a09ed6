import { randomUUID } from 'node:crypto'
import type { Rig } from './rig.suite.ts'

/** An operator and its backup, each with a simulator of its own; `change` is of the backup. */
export async function withBackup(rig: Rig, change: object = {}) {
  const backupId = randomUUID()
  await rig.openNats()
  await rig.addDurable(rig.operatorId)
  await rig.addDurable(backupId)
  const heard = await rig.hear(rig.operatorId, backupId)
  const own = await rig.openSmsc()
  const other = await rig.openSmsc()
  await rig.openManagement(own.port, { backupOperatorId: backupId })
  rig.setOperator(backupId, other.port, change)
  return { backupId, heard, own, other }
}

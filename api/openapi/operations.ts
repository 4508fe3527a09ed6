import { exportOperation, reconcileOperation } from '../routes/admin/orphans.ts'
import { quarantineListOperation, quarantineOperation, releaseOperation } from '../routes/admin/quarantine.ts'
import { bulkOperation } from '../routes/bulk.ts'
import { cancelOperation } from '../routes/cancel.ts'
import { estimateOperation } from '../routes/estimate.ts'
import { segmentsOperation } from '../routes/message-segments.ts'
import { messageOperation } from '../routes/message.ts'
import { messagesOperation } from '../routes/messages.ts'
import { sendOperation } from '../routes/send.ts'
import type { Operation } from './operation.ts'

/** Everything that clients may ask, in the order of the reference. */
export const OPERATIONS: readonly Operation[] = [
  sendOperation,
  bulkOperation,
  estimateOperation,
  messagesOperation,
  messageOperation,
  cancelOperation,
  segmentsOperation,
  quarantineListOperation,
  quarantineOperation,
  releaseOperation,
  exportOperation,
  reconcileOperation,
]

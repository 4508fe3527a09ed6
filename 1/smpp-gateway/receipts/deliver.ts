import type { OperatorProfile } from '../../streams/contracts/operator-profile.ts'
import { inboundReceipts } from '../../streams/contracts/receipts.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { seldom } from '../../streams/platform/seldom.ts'
import type { OperatorMetrics } from '../metrics.ts'
import type { Pdu } from '../smpp/pdu.ts'
import type { Publisher } from '../publisher.ts'
import { isReceipt, readReceipt } from './receipt.ts'
import type { RecentSubmit, RecentSubmits } from './recent-submits.ts'
import { withinSpan } from '../spans.ts'
import { ESME_ROK, ESME_RX_T_APPN } from '../smpp/status-class.ts'

export interface DeliverOptions {
  readonly operatorId: string
  readonly profile: Pick<OperatorProfile, 'timeZone' | 'receiptSource'>
  readonly publisher: Publisher
  readonly recent: RecentSubmits
  readonly metrics: OperatorMetrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
  /** Monotonic ms. */
  readonly elapsed: () => number
}

/** After a restart every receipt of an earlier submit is unknown here: one line says as much. */
const WARN_MS = 60_000

/**
 * Takes one short message from the operator and resolves to the status that it is answered with
 * ([R1], [R6]). For a receipt ESME_ROK means that NATS holds it. After anything else the operator
 * repeats it. Never rejects.
 */
export const deliverTo = (options: DeliverOptions): ((pdu: Pdu, session: string) => Promise<number>) => {
  const warn = seldom(WARN_MS, options.elapsed)
  const { operatorId, metrics, logger } = options
  const onUnknown = (): void => {
    metrics.correlationMiss()
    warn(() => logger.warn('dlr.correlation.not_found', { operatorId }))
  }
  return (pdu, session) => {
    if (isReceipt(pdu)) {
      return withinSpan('smpp.deliver_sm', options, {}, (trace) =>
        deliverReceipt({ ...options, onUnknown }, pdu, session, trace),
      )
    }
    metrics.mobileOriginated()
    return Promise.resolve(ESME_ROK)
  }
}

async function deliverReceipt(
  options: DeliverOptions & { readonly onUnknown: () => void },
  pdu: Pdu,
  session: string,
  trace: Readonly<Record<string, string>>,
): Promise<number> {
  const { operatorId, profile, publisher, recent, metrics, now, onUnknown } = options
  const receipt = readReceipt(pdu, {
    operatorId,
    timeZone: profile.timeZone,
    source: profile.receiptSource,
    session,
    receivedAt: new Date(now()).toISOString(),
  })
  const { operatorMessageId, alternateIds = [] } = receipt
  const found = (): RecentSubmit | undefined => recent.find(operatorId, operatorMessageId, ...alternateIds)
  let submit = found()
  if (submit === undefined) {
    // The response may stand in the same read, and who waits for it has had no turn yet.
    await new Promise((resolve) => setImmediate(resolve))
    submit = found()
  }
  if (!(await publisher.publish(inboundReceipts, { ...receipt, ...submit }, trace))) return ESME_RX_T_APPN
  metrics.receipt(receipt.stat)
  if (submit === undefined) onUnknown()
  return ESME_ROK
}

import { inboundReceipts } from '../../streams/contracts/receipts.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { OperatorMetrics } from '../metrics.ts'
import type { Pdu } from '../smpp/pdu.ts'
import type { Publisher } from '../publisher.ts'
import { isReceipt, readReceipt } from './receipt.ts'
import type { RecentSubmits } from './recent-submits.ts'
import { withinSpan } from '../spans.ts'
import { ESME_ROK, ESME_RX_T_APPN } from '../smpp/status-class.ts'

export interface DeliverOptions {
  readonly operatorId: string
  readonly timeZone: string
  readonly publisher: Publisher
  readonly recent: RecentSubmits
  readonly metrics: OperatorMetrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/**
 * Takes one short message from the operator and resolves to the status that it is answered with
 * ([R1], [R6]). For a receipt ESME_ROK means that NATS holds it. After anything else the operator
 * repeats it. Never rejects.
 */
export const deliverTo =
  (options: DeliverOptions) =>
  (pdu: Pdu, session: string): Promise<number> => {
    if (isReceipt(pdu)) {
      return withinSpan('smpp.deliver_sm', options, {}, (trace) =>
        deliverReceipt(options, pdu, session, trace),
      )
    }
    options.metrics.mobileOriginated()
    return Promise.resolve(ESME_ROK)
  }

async function deliverReceipt(
  options: DeliverOptions,
  pdu: Pdu,
  session: string,
  trace: Readonly<Record<string, string>>,
): Promise<number> {
  const { operatorId, timeZone, publisher, recent, metrics, logger, now } = options
  const receipt = readReceipt(pdu, {
    operatorId,
    timeZone,
    session,
    receivedAt: new Date(now()).toISOString(),
  })
  const submit = recent.find(operatorId, receipt.operatorMessageId)
  if (!(await publisher.publish(inboundReceipts, { ...receipt, ...submit }, trace))) return ESME_RX_T_APPN
  metrics.receipt(receipt.stat)
  if (submit === undefined) {
    metrics.correlationMiss()
    const { operatorMessageId } = receipt
    logger.warn('dlr.correlation.not_found', {
      operatorId,
      operatorMessageId: operatorMessageId.slice(0, 64),
    })
  }
  return ESME_ROK
}

import { z } from 'zod'

/** What administrators may see and do, whatever tenant it is of. */
export interface AdminDesk {
  /** Newest first [H19]. */
  listQuarantine(query: QuarantineQuery): Promise<QuarantinePage>
  findQuarantined(quarantineId: string): Promise<QuarantinedDetail | undefined>
  /** [H5] */
  release(quarantineId: string, order: Order): Promise<Released>
  /**
   * Orphans from `from` on, before `to`, oldest first, page by page, so that memory holds no more
   * than one page [H6]. What arrives while it runs may be missed. The audit row is there before the
   * first page.
   */
  exportOrphans(query: ExportQuery, order: Pick<Order, 'actor'>): AsyncIterable<readonly Orphan[]>
  /** [H21] */
  reconcile(orphanId: string, place: OrphanPlace, order: Order): Promise<Reconciled>
}

/** Who wants it, and why [DB8]. */
export interface Order {
  readonly actor: string
  readonly reason: string
  /** Trace context for the receipt that goes out. */
  readonly trace: Readonly<Record<string, string>>
}

export interface QuarantineQuery {
  readonly operatorId?: string | undefined
  /** Received then or later. */
  readonly from?: string | undefined
  /** Received before then. */
  readonly to?: string | undefined
  readonly state?: 'held' | 'released' | undefined
  readonly limit: number
  readonly after?: Place | undefined
}

/** Of the last row of a page. */
export interface Place {
  readonly receivedAt: string
  readonly id: string
}

export interface ExportQuery {
  readonly from: string
  readonly to: string
  readonly operatorId?: string | undefined
}

/** Which segment of which message an orphan is the receipt of. */
export interface OrphanPlace {
  readonly messageId: string
  readonly segmentIndex: number
}

export type Released =
  | { readonly kind: 'released'; readonly releasedAt: string }
  | { readonly kind: 'already' }
  | { readonly kind: 'unknown' }

export type Reconciled =
  | Released
  /** It cannot be the receipt of that segment; `path` is the field of the order that is wrong. */
  | { readonly kind: 'unfit'; readonly path: keyof OrphanPlace; readonly message: string }

const at = z.iso.datetime()

/** What is told of a release: the order, and what the pipeline has answered since [AG6]. */
const Release = z.object({
  releasedAt: at,
  releasedBy: z.string(),
  reason: z.string().nullable(),
  outcome: z
    .enum(['late', 'duplicate', 'applied'])
    .nullable()
    .describe('What became of it; null while it is on its way.'),
})

/** One line of a list: no number of anybody. */
export const QuarantinedReceipt = z.object({
  quarantineId: z.string(),
  operatorId: z.string(),
  operatorMessageId: z.string().nullable(),
  messageId: z.string().nullable(),
  rawStat: z.string().nullable(),
  dlrStatus: z.string().nullable(),
  receivedAt: at,
  deliveredAt: at.nullable().describe('The operator’s own date of the delivery.'),
  terminalAt: at.nullable().describe('When the message got its outcome.'),
  release: Release.nullable().describe('Null while it is held.'),
})
export type QuarantinedReceipt = z.infer<typeof QuarantinedReceipt>

/** With the whole receipt, which is personal data [H20]. */
export const QuarantinedDetail = QuarantinedReceipt.extend({ payload: z.unknown() })
export type QuarantinedDetail = z.infer<typeof QuarantinedDetail>

export const QuarantinePage = z.object({
  receipts: z.array(QuarantinedReceipt),
  /** Null on the last page. */
  nextCursor: z.string().nullable(),
})
export type QuarantinePage = z.infer<typeof QuarantinePage>

/** One line of an export [AD3]. `rawPayload` is the whole receipt, and personal data. */
export const Orphan = z.object({
  orphanId: z.string(),
  operatorId: z.string(),
  operatorMessageId: z.string(),
  rawStat: z.string().nullable(),
  rawPayload: z.unknown(),
  receivedAt: at,
})
export type Orphan = z.infer<typeof Orphan>

import { z } from 'zod'

/**
 * One system_id that may bind, and how this operator treats it. All but the first two can change
 * while it runs.
 */
export const SmscAccount = z.object({
  systemId: z.string().min(1).max(15),
  password: z.string().max(64),
  /** false: bind_transceiver is answered ESME_RINVCMDID, as operators without it do. */
  transceiver: z.boolean().default(true),
  /** Status for every bind, for instance 13 (ESME_RBINDFAIL); 0 lets the password decide. */
  bindStatus: z.number().int().min(0).default(0),
  /** Sessions bound at a time; one more is answered ESME_RBINDFAIL. 0: no limit. */
  bindsMax: z.number().int().min(0).default(0),
  /** false: the link looks dead, enquire_link is not answered. */
  answersEnquireLink: z.boolean().default(true),
  /** Round trip of a submit_sm: the throughput is window / latency. */
  responseDelayMs: z.number().int().min(0).default(0),
  /** Submits in any second above this are answered ESME_RTHROTTLED; 0: no limit. */
  tps: z.number().int().min(0).default(0),
  /** Status of every submit_sm, whatever the number; 0: the script decides. */
  submitStatus: z.number().int().min(0).default(0),
})
export type SmscAccount = z.infer<typeof SmscAccount>

export const SmscAccountChange = z
  .object({
    password: z.string().max(64),
    transceiver: z.boolean(),
    bindStatus: z.number().int().min(0),
    bindsMax: z.number().int().min(0),
    answersEnquireLink: z.boolean(),
    responseDelayMs: z.number().int().min(0),
    tps: z.number().int().min(0),
    submitStatus: z.number().int().min(0),
  })
  .partial()
export type SmscAccountChange = z.infer<typeof SmscAccountChange>

/** What an account must be given; the rest has defaults. */
export type SmscAccountInput = z.input<typeof SmscAccount>

export interface Timing {
  /** A first receipt comes at a random moment between the two after the take. */
  readonly receiptDelayMs: { readonly min: number; readonly max: number }
  readonly slowReceiptMs: number
  readonly nextMinuteMs: number
  readonly lateResponseMs: number
  /** A receipt that was refused or lost comes again after this. */
  readonly receiptRetryMs: number
  /** How long the answer to a deliver_sm may take. */
  readonly receiptResponseMs: number
  /** Receipts without an answer at one time, per session. */
  readonly receiptWindow: number
}

export const DEFAULT_TIMING: Timing = {
  receiptDelayMs: { min: 20, max: 50 },
  slowReceiptMs: 5_000,
  nextMinuteMs: 61_000,
  lateResponseMs: 35_000,
  receiptRetryMs: 1_000,
  receiptResponseMs: 30_000,
  receiptWindow: 100,
}

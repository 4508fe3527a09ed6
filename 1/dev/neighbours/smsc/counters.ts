/** Totals since the start; a checker compares them with what the platform believes. */
export interface Counters {
  binds: number
  bindsRefused: number
  enquiries: number
  enquiryAnswers: number
  /** submit_sm that reached a bound session. */
  submits: number
  /** Segments taken, repetitions included. */
  taken: number
  refused: number
  throttled: number
  violations: number
  malformed: number
  /** Taken without a response that names the id. */
  unanswered: number
  /** Segments taken once more. */
  duplicates: number
  /**
   * Of these: although the response to the take before cannot have been lost (its session went on
   * for over a second, or is still there). This proves a fault of the gateway.
   */
  duplicatesAfterAnswer: number
  /** Messages of which every segment was taken, each counted once. */
  messages: number
  receiptsPlanned: number
  receiptsSent: number
  receiptsAcknowledged: number
  /** Answered with an error status, cut off or not answered in time: they come again. */
  receiptsRefused: number
  receiptsDropped: number
}

export const newCounters = (): Counters => ({
  binds: 0,
  bindsRefused: 0,
  enquiries: 0,
  enquiryAnswers: 0,
  submits: 0,
  taken: 0,
  refused: 0,
  throttled: 0,
  violations: 0,
  malformed: 0,
  unanswered: 0,
  duplicates: 0,
  duplicatesAfterAnswer: 0,
  messages: 0,
  receiptsPlanned: 0,
  receiptsSent: 0,
  receiptsAcknowledged: 0,
  receiptsRefused: 0,
  receiptsDropped: 0,
})

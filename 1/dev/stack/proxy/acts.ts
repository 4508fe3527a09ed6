import type { RequestHeader } from './frames.ts'

/**
 * What can be done to one request and to the connection that it came on.
 *
 * `cut-request`: the broker gets this many bytes of it, then the connection ends at both sides.
 * `cut-answer`: the broker gets it whole, the client gets this many bytes of the answer (0: none),
 * then the connection ends. A cut never lets the last byte through.
 *
 * `hold`: it goes on when `hold`, called when it comes, resolves, and also when its client has long
 * gone. Behind it the connection waits, as TCP does, unless it may be `overtaken`. `thenCut` ends
 * the client's side at once, so that it repeats on another connection what may still arrive.
 *
 * `half-open`: nothing comes through any more, in either direction, and nobody is told; `from` the
 * answer means that the broker still gets the request.
 *
 * `slow`: from this request on, every segment of the connection waits.
 */
export type Act =
  | { readonly kind: 'cut-request'; readonly afterBytes: number }
  | { readonly kind: 'cut-answer'; readonly afterBytes: number }
  | {
      readonly kind: 'hold'
      readonly hold: () => Promise<unknown>
      readonly overtaken?: boolean
      readonly thenCut?: boolean
    }
  | { readonly kind: 'half-open'; readonly from: 'request' | 'answer' }
  | { readonly kind: 'slow'; readonly pauseMs: number }

export interface SeenRequest extends RequestHeader {
  /** Which broker it goes to, by its place in the cluster, from 0. */
  readonly broker: number
  /** Counts up over all brokers. */
  readonly connection: number
}

/** What is to be done to a request; undefined lets it pass. */
export type Decide = (request: SeenRequest) => Act | undefined

/** Which requests an order is meant for; what is left out fits all. */
export interface Wanted {
  readonly apiKey?: number
  /** Beginning of the client id. */
  readonly client?: string
  readonly broker?: number
  readonly connection?: number
}

export const fits = (wanted: Wanted, seen: SeenRequest): boolean =>
  (wanted.apiKey ?? seen.apiKey) === seen.apiKey &&
  (wanted.broker ?? seen.broker) === seen.broker &&
  (wanted.connection ?? seen.connection) === seen.connection &&
  seen.clientId.startsWith(wanted.client ?? '')

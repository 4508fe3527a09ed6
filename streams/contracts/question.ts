/**
 * What topologies may ask the world outside the log. A question is data. The runtime asks for a
 * whole batch at once, bounded in number and time. The handler gets the answers as values
 * (ARCHITECTURE.md, section 3).
 */
export interface Question<A> {
  readonly lookup: string
  /** Two questions of one lookup with the same key are asked once a batch. */
  readonly key: string
  readonly about: Readonly<Record<string, string>>
  /** Of what asks: says nothing about the answer. */
  readonly trace?: { readonly traceparent: string; readonly tracestate?: string } | undefined
  /** Never set: carries the type of the answer. */
  readonly answer?: A
}

/**
 * `at` is when the answer came, in ms: the only wall-clock time that a handler may use, because it
 * is recorded with the answer.
 */
export type Answer<A> =
  | { readonly kind: 'found'; readonly value: A; readonly at: number }
  | { readonly kind: 'absent'; readonly at: number }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly at: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly at: number }

/**
 * Answers the questions of one lookup. Never rejects: a failed call is the answer `unavailable`.
 */
export type Lookup = (question: Question<unknown>) => Promise<Answer<unknown>>
export type Lookups = Readonly<Record<string, Lookup>>

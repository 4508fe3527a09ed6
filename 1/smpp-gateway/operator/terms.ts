import type { Sleep } from '../../streams/platform/backoff.ts'
import type { OperatorSettings } from '../config.ts'
import type { Credentials, FetchCredentials } from './credentials.ts'

/** What is kept of the credentials after a bind: nothing secret [B15]. */
export interface Terms {
  readonly operatorName: string
  /** Submits a second. */
  readonly tpsLimit: number
  readonly backupOperatorId: string | null
  /**
   * Where and as whom we are bound. The password is left out: a link that works is not given up for
   * a password that may be mistyped, and the next bind asks for it anyway.
   */
  readonly place: string
}

export const termsOf = (credentials: Credentials, { rate }: Pick<OperatorSettings, 'rate'>): Terms => ({
  operatorName: credentials.operatorName ?? credentials.operatorId,
  tpsLimit: Math.min(credentials.tpsLimit, rate ?? Number.POSITIVE_INFINITY),
  backupOperatorId: credentials.backupOperatorId,
  place: JSON.stringify([
    credentials.host,
    credentials.port,
    credentials.systemId,
    credentials.systemType,
    credentials.bindMode,
  ]),
})

export interface TermsWatch {
  readonly operatorId: string
  readonly settings: OperatorSettings
  readonly fetchCredentials: FetchCredentials
  readonly pollMs: number
  readonly sleep: Sleep
}

/**
 * Asks for the credentials again and again until `signal` aborts [B19]. While they cannot be had,
 * what is known goes on [CI7].
 */
export async function watchTerms(
  { operatorId, settings, fetchCredentials, pollMs, sleep }: TermsWatch,
  found: (terms: Terms) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(pollMs, signal)
    const reply = signal.aborted ? undefined : await fetchCredentials(operatorId)
    if (reply?.kind === 'found' && !signal.aborted) found(termsOf(reply.credentials, settings))
  }
}

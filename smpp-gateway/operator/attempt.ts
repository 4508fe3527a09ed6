import { bindOperator, type OperatorBind, type OperatorBindOptions } from '../smpp/bind.ts'
import { fingerprintOf, isLongPassword } from './credentials.ts'
import { noteLongPassword } from './notes.ts'
import type { OperatorOptions } from './options.ts'
import type { BindEnd } from './states.ts'
import { termsOf, type Terms } from './terms.ts'

export type Attempt =
  | { readonly kind: 'bound'; readonly bind: OperatorBind }
  | Exclude<BindEnd, { readonly kind: 'ended' }>

/** An operator's, with what one bind needs beside. */
export type AttemptOptions = Omit<OperatorOptions, 'bind'> & { readonly bind: OperatorBindOptions }

/** One bind with credentials of this moment [B8]. `found`: what they say beside. */
export async function attemptBind(options: AttemptOptions, found: (terms: Terms) => void): Promise<Attempt> {
  const { operatorId, settings, fetchCredentials, bind } = options
  const reply = await fetchCredentials(operatorId)
  if (reply.kind === 'unavailable') return { kind: 'failed', reason: reply.reason }
  const { credentials } = reply
  found(termsOf(credentials, settings))
  if (isLongPassword(credentials)) noteLongPassword(options)
  const bound = await bindOperator(credentials, bind)
  return bound.kind === 'refused' ? { ...bound, fingerprint: fingerprintOf(credentials) } : bound
}

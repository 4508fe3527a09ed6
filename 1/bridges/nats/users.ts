import type { Mirror } from '../../streams/contracts/subjects.ts'

/**
 * The bridges are three users to NATS, so that each may do only what one duty needs: [NU4], [NU5],
 * [NU7].
 */
export type NatsUser = 'sms-orchestrator' | 'dlr-processor' | 'smpp-mirror'

const USER_OF_STREAM: Readonly<Record<string, NatsUser>> = {
  SMS_OUTBOUND: 'sms-orchestrator',
  SMS_RETRY: 'sms-orchestrator',
  SMS_DLQ: 'sms-orchestrator',
  SMS_EVENTS: 'sms-orchestrator',
  SMPP_OUTBOUND: 'sms-orchestrator',
  SMS_DLR: 'dlr-processor',
  SMS_DLR_OUT: 'dlr-processor',
  BILLING_EVENTS: 'dlr-processor',
  WEBHOOK_EVENTS: 'dlr-processor',
  SMPP_EVENTS: 'smpp-mirror',
  OPERATOR_EVENTS: 'smpp-mirror',
}

export function userOf(mirror: Mirror): NatsUser {
  const user = USER_OF_STREAM[mirror.stream]
  if (user === undefined) throw new Error(`no NATS user for stream ${mirror.stream}`)
  return user
}

export interface UserAddresses {
  readonly NATS_URL: string
  readonly NATS_CREDS?: string | undefined
  readonly NATS_CREDS_DIR?: string | undefined
  readonly NATS_ORCHESTRATOR_URL?: string | undefined
  readonly NATS_DLR_URL?: string | undefined
  readonly NATS_MIRROR_URL?: string | undefined
}

/** Where and with which credentials a user connects. */
export function addressOf(
  user: NatsUser,
  given: UserAddresses,
): { readonly url: string; readonly credsFile: string | undefined } {
  const own = {
    'sms-orchestrator': given.NATS_ORCHESTRATOR_URL,
    'dlr-processor': given.NATS_DLR_URL,
    'smpp-mirror': given.NATS_MIRROR_URL,
  }
  const { NATS_CREDS_DIR: folder } = given
  return {
    url: own[user] ?? given.NATS_URL,
    credsFile: folder === undefined ? given.NATS_CREDS : `${folder}/${user}.creds`,
  }
}

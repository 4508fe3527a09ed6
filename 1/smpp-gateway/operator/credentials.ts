import { createHash } from 'node:crypto'
import { z } from 'zod'
import { uuid } from '../../streams/contracts/topic.ts'

/** SMPP 3.4 section 4.1 allows 8 characters; many operators give 9 and more, and take them. */
const PASSWORD_CHARS_OF_THE_STANDARD = 8
const PASSWORD_CHARS_MAX = 64

/**
 * The answer of operator-management [CI6], with the field limits of SMPP 3.4 section 4.1, but for
 * the password.
 */
const Credentials = z.object({
  operatorId: uuid,
  host: z.string().min(1),
  port: z.number().int().min(1).max(65_535),
  systemId: z.string().min(1).max(15),
  password: z.string().max(PASSWORD_CHARS_MAX),
  systemType: z.string().max(12).default(''),
  tpsLimit: z.number().int().min(1),
  bindMode: z.enum(['TRANSCEIVER', 'TRANSMITTER', 'RECEIVER']).default('TRANSCEIVER'),
  backupOperatorId: uuid.nullable().default(null),
  operatorName: z.string().exactOptional(),
})
/**
 * Holds the password: lives only while a bind is tried, and is never logged, stored or put into an
 * error [B15].
 */
export type Credentials = z.infer<typeof Credentials>

/** Longer than the standard allows: where the bind is refused, that may be why. */
export const isLongPassword = ({ password }: Pick<Credentials, 'password'>): boolean =>
  password.length > PASSWORD_CHARS_OF_THE_STANDARD

export type CredentialsReply =
  | { readonly kind: 'found'; readonly credentials: Credentials }
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface CredentialsOptions {
  /** Base URL of operator-management. */
  readonly url: string
  readonly token: string
  readonly timeoutMs: number
}

export type FetchCredentials = (operatorId: string) => Promise<CredentialsReply>

/**
 * Asks for the credentials of one operator [CI5]. Any failure is `unavailable` [CI7], with a reason
 * that quotes nothing.
 */
export const credentialsFrom =
  ({ url, token, timeoutMs }: CredentialsOptions): FetchCredentials =>
  async (operatorId) => {
    try {
      const response = await fetch(
        `${url.replace(/\/$/, '')}/internal/operators/${operatorId}/smpp-credentials`,
        { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(timeoutMs) },
      )
      if (response.status !== 200) return unavailable(`credentials answered ${response.status}`)
      const checked = Credentials.safeParse(await response.json())
      if (!checked.success) return unavailable('credentials do not fit their schema')
      if (checked.data.operatorId !== operatorId) return unavailable('credentials of another operator')
      return { kind: 'found', credentials: checked.data }
    } catch {
      // Refused, timed out or not JSON: all of them transient, and their texts may quote the
      // answer.
      return unavailable('credentials not reachable')
    }
  }

const unavailable = (reason: string): CredentialsReply => ({ kind: 'unavailable', reason })

/** Tells whether credentials have changed without keeping them. */
export const fingerprintOf = ({
  host,
  port,
  systemId,
  password,
  systemType,
  bindMode,
}: Credentials): string =>
  createHash('sha256')
    .update(JSON.stringify([host, port, systemId, password, systemType, bindMode]))
    .digest('hex')

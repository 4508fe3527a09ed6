import { z } from 'zod'
import { CANONICAL_ID_RULES, type CanonicalIdRule } from '../domain/receipt/canonical-id.ts'
import { uuid } from './topic.ts'

/** Classes that an operator's profile may move a status to [ST8]. */
export const STATUS_CLASSES = ['throttle', 'transient', 'session', 'permanent'] as const
export type StatusOverrides = ReadonlyMap<number, (typeof STATUS_CLASSES)[number]>

const octet = z.number().int().min(0).max(255)
/** Type of number and numbering plan (SMPP 3.4 sections 5.2.5 and 5.2.6). */
const tonNpi = z.tuple([octet, octet])

const STATUS_CODE = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i
const statusOverrides = z
  .record(z.string().regex(STATUS_CODE, 'must be a status code such as "0x45"'), z.enum(STATUS_CLASSES))
  .transform(
    (given): StatusOverrides => new Map(Object.entries(given).map(([code, name]) => [Number(code), name])),
  )

/** Source by kind of sender, and destination [PD1]. */
const TON_NPI = {
  alphanumeric: [5, 0] as [number, number],
  e164: [1, 1] as [number, number],
  short_code: [3, 0] as [number, number],
  destination: [1, 1] as [number, number],
}
const TonNpi = z.strictObject({
  alphanumeric: tonNpi.default(TON_NPI.alphanumeric),
  e164: tonNpi.default(TON_NPI.e164),
  short_code: tonNpi.default(TON_NPI.short_code),
  destination: tonNpi.default(TON_NPI.destination),
})

const HOUR_MS = 3_600_000
const ms = z.number().int().min(1).max(HOUR_MS)
/** Where one is absent, the process's own applies ([B8], [B10], [S7]). */
const Timers = z.strictObject({
  connectMs: ms.exactOptional(),
  bindMs: ms.exactOptional(),
  responseMs: ms.exactOptional(),
  enquireLinkMs: ms.exactOptional(),
  enquireLinkTimeoutMs: ms.exactOptional(),
})

/** Files are PEM. Without a CA the system's certificates are trusted. */
const Tls = z.strictObject({
  caFile: z.string().min(1).exactOptional(),
  /** Name in the operator's certificate, where it is not the host that is connected to. */
  serverName: z.string().min(1).exactOptional(),
  certFile: z.string().min(1).exactOptional(),
  keyFile: z.string().min(1).exactOptional(),
})
export type LinkTls = z.infer<typeof Tls>

const tls = z
  .union([z.boolean(), Tls])
  .transform((given): LinkTls | null => (typeof given === 'boolean' ? (given ? {} : null) : given))

const areTogether = (rules: readonly CanonicalIdRule[]): boolean =>
  !(rules.includes('hex2dec') && rules.includes('dec2hex'))

export const WINDOW_MAX = 1_000
const BINDS_MAX = 16

/**
 * Everything in which one operator differs from another [PD2]. The defaults are right for one that
 * follows SMPP 3.4. An unknown field is a mistake.
 */
export const OperatorProfile = z
  .strictObject({
    /** Absent: as the credentials say, with the fallback of [B9]. */
    bindMode: z.enum(['TRANSCEIVER', 'TRANSMITTER+RECEIVER']).exactOptional(),
    /** At the same time; a transmitter with its receiver counts once [B21]. */
    binds: z.number().int().min(1).max(BINDS_MAX).default(1),
    /** Unanswered submits of all binds together. */
    window: z.number().int().min(1).max(WINDOW_MAX).default(10),
    /** Submits a second; the lower of this and the credentials' `tpsLimit` applies. */
    rate: z.number().int().min(1).exactOptional(),
    timers: Timers.default({}),
    /** So long a link may leave every submit unanswered before it counts as dead [B18]. */
    unansweredMs: ms.default(60_000),
    failoverAfterMs: z.number().int().min(0).default(30_000),
    inDoubt: z.enum(['resubmit', 'drop']).default('resubmit'),
    statusOverrides: statusOverrides.default(new Map()),
    tonNpi: TonNpi.default(TON_NPI),
    /** What data_coding 0 means there [PD3]. */
    charset: z.enum(['gsm7', 'latin1', 'ascii']).default('gsm7'),
    longMessage: z.enum(['CSMS', 'TLV']).default('CSMS'),
    refBits: z.union([z.literal(8), z.literal(16)]).default(8),
    sendValidity: z.boolean().default(false),
    validityFormat: z.enum(['absolute', 'relative']).default('absolute'),
    /** In order; how the ids of responses and of receipts come together [K2]. */
    idRules: z
      .array(z.enum(CANONICAL_ID_RULES))
      .refine(areTogether, 'hex2dec and dec2hex contradict each other')
      .default(['exact']),
    /** Where id and status of a receipt are read from [R13]. */
    receiptSource: z.enum(['both', 'tlv', 'text']).default('both'),
    /** Segments of a long message that get a receipt. */
    receiptScope: z.enum(['all', 'first', 'last']).default('all'),
    /** Zone of the dates in receipts, an IANA name [R4]. */
    timeZone: z.string().refine(isTimeZone, 'must be an IANA time zone').default('UTC'),
    tls: tls.default(null),
  })
  .superRefine((profile, context) => {
    if ((profile.tls?.certFile === undefined) !== (profile.tls?.keyFile === undefined))
      context.addIssue({ code: 'custom', path: ['tls'], message: 'certFile and keyFile go together' })
  })
export type OperatorProfile = z.infer<typeof OperatorProfile>

/** What is given for `OPERATOR_OPTIONS`, by operatorId. */
export const OperatorProfiles = z.record(uuid, OperatorProfile)
export type OperatorProfiles = z.infer<typeof OperatorProfiles>

export const operatorProfile = (given: z.input<typeof OperatorProfile> = {}): OperatorProfile =>
  OperatorProfile.parse(given)

export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    // The only way that the platform offers to ask whether it knows a zone.
    return false
  }
}

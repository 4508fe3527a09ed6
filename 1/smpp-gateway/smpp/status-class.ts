import type { StatusOverrides } from '../../streams/contracts/operator-profile.ts'

/** What a command_status of the operator means for the work at hand ([ST1] to [ST9]). */
export type StatusClass =
  | 'accepted'
  | 'throttle'
  | 'transient'
  | 'session'
  | 'permanent'
  | 'refusal'
  /** A code that is not listed, such as those of vendors [ST2]. */
  | 'unknown'
export type SubmitClass = Exclude<StatusClass, 'refusal'>

export const ESME_ROK = 0x00
export const ESME_RINVMSGLEN = 0x01
export const ESME_RINVCMDLEN = 0x02
export const ESME_RINVCMDID = 0x03
export const ESME_RINVBNDSTS = 0x04
export const ESME_RMSGQFUL = 0x14
export const ESME_RX_T_APPN = 0x64

const CODES: readonly (readonly [StatusClass, readonly number[]])[] = [
  ['accepted', [ESME_ROK]],
  ['throttle', [0x58, ESME_RMSGQFUL]],
  ['transient', [0x08, ESME_RX_T_APPN, 0xff]],
  ['session', [ESME_RINVBNDSTS, 0x05, 0x0d]],
  ['permanent', [ESME_RINVMSGLEN, ESME_RINVCMDLEN, ESME_RINVCMDID, 0x06, 0x07, 0x0a, 0x0b, 0x0c, 0x15]],
  ['permanent', [0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x45]],
  ['permanent', [0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x54, 0x55]],
  ['permanent', [0x61, 0x62, 0x63, 0x65, 0x66, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xfe]],
  ['refusal', [0x0e, 0x0f, 0x53]],
]
const CLASS_OF: ReadonlyMap<number, StatusClass> = new Map(
  CODES.flatMap(([name, codes]) => codes.map((code): [number, StatusClass] => [code, name])),
)

/**
 * Class of a submit_sm_resp or of a generic_nack that answers a submit_sm [ST9]. A bind refusal
 * here says that the session is not what it was bound as, so the session ends. The next bind then
 * meets the refusal where it can be handled.
 */
export function classOfSubmit(status: number, overrides: StatusOverrides): SubmitClass {
  const known = (status === ESME_ROK ? undefined : overrides.get(status)) ?? CLASS_OF.get(status) ?? 'unknown'
  return known === 'refusal' ? 'session' : known
}

/**
 * Whether the operator refuses our credentials [B14]: trying again only provokes it. RBINDFAIL and
 * RALYBND are none: often a ghost of our last session still holds the place [B13].
 */
export const isBindRefusal = (status: number): boolean => CLASS_OF.get(status) === 'refusal'

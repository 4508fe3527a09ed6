import { z } from 'zod'
import { decode } from '../../streams/contracts/decode.ts'
import { dispatchCommands, type DispatchCommand } from '../../streams/contracts/outbound.ts'
import { e164, ids, instant, metadata, ordinal } from '../../streams/contracts/topic.ts'

/** Enough of a command to publish a result for it. */
const CommandIdentity = z.object({
  ...ids,
  to: e164,
  enqueuedAt: instant,
  segmentCount: ordinal,
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
})
export type CommandIdentity = z.infer<typeof CommandIdentity>

export type CommandRead =
  | { readonly kind: 'command'; readonly command: DispatchCommand }
  /** Cannot be sent, but a result can be published for it. `paths` name the faulty fields. */
  | { readonly kind: 'refused'; readonly identity: CommandIdentity; readonly paths: readonly string[] }
  | { readonly kind: 'unreadable'; readonly reason: string; readonly paths: readonly string[] }

/** [S1]: the schema, and the operator of the subject. */
export function readCommand(data: Uint8Array, operatorId: string): CommandRead {
  const read = decode(dispatchCommands, data)
  if (read.ok && read.value.operatorId === operatorId) return { kind: 'command', command: read.value }
  const paths = read.ok ? ['operatorId'] : read.errors.map((error) => error.path)
  if (!read.ok && read.reason !== 'schema') return { kind: 'unreadable', reason: read.reason, paths }
  const identity = CommandIdentity.safeParse(read.ok ? read.value : parsed(data))
  if (identity.success) return { kind: 'refused', identity: identity.data, paths }
  return { kind: 'unreadable', reason: 'schema', paths }
}

// Only reached after the same bytes have been parsed once.
const parsed = (data: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(data))

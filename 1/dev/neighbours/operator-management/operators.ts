import { z } from 'zod'
import { uuid } from '../../../streams/contracts/topic.ts'

/** Shape of the credentials reply [CI6], exactly as the gateway reads it. */
export const Operator = z.object({
  operatorId: uuid,
  host: z.string().min(1),
  port: z.number().int().min(1).max(65_535),
  systemId: z.string().min(1).max(15),
  password: z.string().max(64),
  systemType: z.string().max(12).default(''),
  tpsLimit: z.number().int().min(1),
  bindMode: z.enum(['TRANSCEIVER', 'TRANSMITTER', 'RECEIVER']).default('TRANSCEIVER'),
  backupOperatorId: uuid.nullable().default(null),
  operatorName: z.string().exactOptional(),
})
export type Operator = z.infer<typeof Operator>

/** What a control request may change; without defaults, so that an absent field keeps its value. */
export const OperatorChange = z
  .object({
    host: z.string().min(1),
    port: z.number().int().min(1).max(65_535),
    systemId: z.string().min(1).max(15),
    password: z.string().max(64),
    systemType: z.string().max(12),
    tpsLimit: z.number().int().min(1),
    bindMode: z.enum(['TRANSCEIVER', 'TRANSMITTER', 'RECEIVER']),
    backupOperatorId: uuid.nullable(),
    operatorName: z.string(),
  })
  .partial()
export type OperatorChange = z.infer<typeof OperatorChange>

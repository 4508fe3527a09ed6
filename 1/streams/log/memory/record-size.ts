import type { OutRecord } from '../port.ts'

/** As Kafka's `message.max.bytes`, and Redpanda's `kafka_batch_max_bytes`. */
export const RECORD_BYTES_MAX = 1_048_576
const RECORD_OVERHEAD_BYTES = 70

/** As a batch of this one record, uncompressed. */
export function bytesOf({ key, value, headers = {} }: OutRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + lengthOf(key) + lengthOf(value)
  for (const [name, given] of Object.entries(headers)) bytes += name.length + String(given).length
  return bytes
}

const lengthOf = (value: string | Buffer | null): number => (value === null ? 0 : Buffer.byteLength(value))

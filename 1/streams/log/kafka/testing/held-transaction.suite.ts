import { randomUUID } from 'node:crypto'
import type { OutRecord } from '../../port.ts'
import { planRounds } from '../writing/batches.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { Coordinator } from '../cluster/coordinator.ts'
import { Producer } from '../writing/producer.ts'
import { initProducerId } from '../codecs/producer-id-request.ts'
import { Transaction } from '../writing/transaction.ts'

const LANE = 'held'
const PATIENCE_MS = 10_000

/**
 * A transaction in the hand of a test, step by step, which the port's one-step commit does not
 * show.
 */
export async function holdTransaction(cluster: Cluster, transactionalId: string) {
  const deadline = Date.now() + 60_000
  const coordinator = new Coordinator(cluster, LANE, 'transaction', transactionalId)
  const { producerId, epoch } = await coordinator.ask(
    {
      name: 'InitProducerId',
      call: initProducerId({ transactionalId, timeoutMs: 30_000 }),
      codeOf: (answer) => answer.errorCode,
    },
    Date.now() + PATIENCE_MS,
  )
  const producer = new Producer(cluster, LANE, { transactionalId, producerId, epoch })
  const options = { cluster, lane: LANE, transactionalId, coordinator, producer, deadline }
  const transaction = new Transaction(options)
  return {
    write: async (records: readonly OutRecord[]): Promise<void> => {
      const rounds = planRounds(records)
      await transaction.open(rounds, [])
      await producer.produce(rounds, deadline, () => undefined)
    },
    commit: async (): Promise<void> => {
      await transaction.commit()
    },
    abort: async (): Promise<void> => {
      await transaction.abort()
    },
  }
}

/** The brokers to test against. */
export function brokersFromEnv(): readonly string[] {
  const brokers = process.env['KAFKA_BROKERS']
  if (brokers === undefined) throw new Error('KAFKA_BROKERS must name the brokers to test against')
  return brokers.split(',')
}

/** A name that no other run uses. */
export const unique = (name: string): string => `${name}-${randomUUID()}`

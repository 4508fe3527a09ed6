import type { Brokers } from '../cluster/cluster.ts'
import type { Coordinator } from '../cluster/coordinator.ts'
import { finalizedFeatures } from '../codecs/finalized-features-request.ts'
import { initProducerId } from '../codecs/producer-id-request.ts'
import type { CurrentProducer } from '../codecs/producer-id-request.ts'
import type { TransactionProtocol } from '../codecs/transaction-requests.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { Producer } from './producer.ts'

export interface ProducerEpochsOptions {
  readonly cluster: Brokers
  readonly lane: Lane
  readonly transactionalId: string
  readonly timeoutMs: number
  /** Holds protocol 2 back where the cluster offers it: for comparisons. Default: 2. */
  readonly protocolMax?: TransactionProtocol
}

/** At level 2 of this feature the cluster speaks protocol 2 (KIP-890). */
const TRANSACTION_FEATURE = 'transaction.version'

const codeOf = ({ errorCode }: { readonly errorCode: number }): number => errorCode

/** The epochs of one transactional id, each of which is a producer that fences those before it. */
export class ProducerEpochs {
  readonly #options: ProducerEpochsOptions
  readonly #coordinator: Coordinator
  #protocol: TransactionProtocol = 1

  constructor(options: ProducerEpochsOptions, coordinator: Coordinator) {
    this.#options = options
    this.#coordinator = coordinator
  }

  /**
   * Takes the id over from whoever holds it, and asks again what the cluster speaks. An attempt
   * whose answer was lost may still arrive, and then takes the id over from us: nothing is torn,
   * and the next commit is `fenced`.
   */
  async takeOver(deadline: number): Promise<Producer> {
    this.#protocol = await this.#negotiate(deadline)
    return this.#init(deadline)
  }

  /**
   * A new epoch, with sequences from 0, unless somebody has taken the id over: taking it back is
   * the caller's decision. Repeated safely: the coordinator knows the epoch before by its number.
   */
  raise({ identity: { producerId, epoch } }: Producer, deadline: number): Promise<Producer> {
    return this.#init(deadline, { producerId, epoch })
  }

  /** The producer of an epoch that the coordinator has named by itself. */
  of({ producerId, epoch }: CurrentProducer): Producer {
    const { cluster, lane, transactionalId } = this.#options
    return new Producer(cluster, lane, { transactionalId, producerId, epoch, protocol: this.#protocol })
  }

  async #init(deadline: number, current?: CurrentProducer): Promise<Producer> {
    const { transactionalId, timeoutMs } = this.#options
    const call = initProducerId({ transactionalId, timeoutMs, ...(current !== undefined && { current }) })
    return this.of(await this.#coordinator.ask({ name: 'InitProducerId', call, codeOf }, deadline))
  }

  async #negotiate(deadline: number): Promise<TransactionProtocol> {
    if (this.#options.protocolMax === 1) return 1
    const request = { name: 'ApiVersions', call: finalizedFeatures, codeOf }
    const { levels } = await this.#coordinator.ask(request, deadline)
    return (levels.get(TRANSACTION_FEATURE) ?? 0) >= 2 ? 2 : 1
  }
}

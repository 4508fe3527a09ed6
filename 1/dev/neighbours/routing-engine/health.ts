import type { OperatorHealth } from '../../../streams/contracts/operators.ts'

/**
 * What is known of the operators' sessions. An event older than the known one changes nothing, so
 * redelivery is harmless.
 */
export class OperatorStates {
  readonly #latest = new Map<string, OperatorHealth>()

  learn(health: OperatorHealth): void {
    const known = this.#latest.get(health.operatorId)
    if (known !== undefined && known.occurredAt > health.occurredAt) return
    this.#latest.set(health.operatorId, health)
  }

  stateOf(operatorId: string): OperatorHealth['status'] | undefined {
    return this.#latest.get(operatorId)?.status
  }
}

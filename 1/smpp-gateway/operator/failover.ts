import type { Operator } from './operator.ts'

export interface FailoverOptions {
  readonly operators: ReadonlyMap<string, Operator>
  readonly failoverAfterMs: (operatorId: string) => number
  readonly checkMs: number
  /** Monotonic ms: a clock that is set must neither start nor delay a failover. */
  readonly elapsed: () => number
}

/**
 * Lets an operator's backup carry its commands while it is down ([FO1] to [FO4]). The backup has to
 * be bound in this process: its limits and its session are here, and nobody else may use them.
 */
export function watchFailover(options: FailoverOptions): { close(): void } {
  const timer = setInterval(() => {
    for (const [operatorId, operator] of options.operators) check(operatorId, operator, options)
  }, options.checkMs)
  return { close: () => clearInterval(timer) }
}

function check(operatorId: string, operator: Operator, options: FailoverOptions): void {
  const { operators, failoverAfterMs, elapsed } = options
  const backup = operators.get(operator.backupOperatorId ?? '')
  const canCarry = backup?.carrier !== undefined
  if (!canCarry) return operator.endFailover()
  const since = operator.unboundSince
  if (since !== undefined && elapsed() - since >= failoverAfterMs(operatorId))
    operator.failOver(() => backup.carrier)
}

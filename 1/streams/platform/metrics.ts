import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Buckets B1 and B2 of [M2], in seconds. */
export const BUCKETS_B1 = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5]
export const BUCKETS_B2 = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

/**
 * One registry a process. A metric is made once, where it is used. Its labels are bounded and hold
 * no personal data [M1].
 */
export class Metrics {
  readonly registry = new Registry()

  counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] })
  }

  gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: () => void,
  ): Gauge<L> {
    const settings = { name, help, labelNames: [...labelNames], registers: [this.registry] }
    return new Gauge(collect === undefined ? settings : { ...settings, collect })
  }

  histogram<L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> {
    return new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.registry],
    })
  }

  /** Event-loop lag, memory, garbage collection. */
  withProcessMetrics(): this {
    collectDefaultMetrics({ register: this.registry })
    return this
  }
}

import type { Metrics } from '../../platform/metrics.ts'

/**
 * A figure that has not been told for so long says nothing any more: the task has moved to another
 * process, which tells it now.
 */
export const FRESH_MS = 120_000
/** Of one gauge. What comes beyond is not shown until one has gone. */
const FIGURES_MAX = 1_000

interface Figure {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly atMs: number
}

/** Tells the gauge what is so at present for its labels; anything but a number takes it away. */
export function recentFigures(
  metrics: Metrics,
  {
    name,
    help,
    labels,
  }: { readonly name: string; readonly help: string; readonly labels: readonly string[] },
  now: () => number,
): (of: Readonly<Record<string, string>>, value: unknown) => void {
  const figures = new Map<string, Figure>()
  const gauge = metrics.gauge(name, help, labels, (): void => {
    gauge.reset()
    for (const [id, figure] of figures) {
      if (now() - figure.atMs < FRESH_MS) gauge.set(figure.labels, figure.value)
      else figures.delete(id)
    }
  })
  return (of, value) => {
    const id = Object.values(of).join(' ')
    if (typeof value !== 'number') figures.delete(id)
    else if (figures.has(id) || figures.size < FIGURES_MAX)
      figures.set(id, { labels: of, value, atMs: now() })
  }
}

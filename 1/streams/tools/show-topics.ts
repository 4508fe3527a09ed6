import type { TopicSpec } from '../log/port.ts'

/**
 * The topics as they are provisioned, for people: what `topicSpecs` makes of the catalogue and the
 * topologies.
 */
const COLUMNS = ['topic', 'partitions', 'copies', 'cleanup', 'retention', 'other settings'] as const

const CLEANUP = 'cleanup.policy'
const RETENTION = 'retention.ms'

/** Columns padded to the width of their longest cell. */
export function asTable(specs: readonly TopicSpec[]): string {
  const rows = [COLUMNS, ...specs.map(cellsOf)]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** The page docs/topics.md; `command` made it. */
export const topicsPage = (specs: readonly TopicSpec[], command: string): string =>
  [
    '# Topics',
    '',
    `Generated from the catalogue and the topologies by \`${command}\`; do not edit. A test compares.`,
    'Partitions and copies are those of the defaults of `LOG_PARTITIONS` and `LOG_REPLICAS`.',
    '',
    `| ${COLUMNS.join(' | ')} |`,
    `|${'---|'.repeat(COLUMNS.length)}`,
    ...specs.map((spec) => `| ${cellsOf(spec).join(' | ')} |`),
    '',
  ].join('\n')

function cellsOf({ name, partitions, replicas, config }: TopicSpec): readonly string[] {
  const { [CLEANUP]: cleanup = '', [RETENTION]: retentionMs, ...others } = config
  const settings = Object.entries(others).map(([setting, value]) => `${setting}=${value}`)
  // Without a retention of its own a compacted topic keeps the last record of each key for ever.
  const retention = retentionMs === undefined ? 'for good' : durationOf(Number(retentionMs))
  return [name, String(partitions), String(replicas), cleanup, retention, settings.join(' ')]
}

const HOUR_MS = 3_600_000

const durationOf = (ms: number): string =>
  ms % (24 * HOUR_MS) === 0 ? `${ms / (24 * HOUR_MS)} d` : `${ms / HOUR_MS} h`

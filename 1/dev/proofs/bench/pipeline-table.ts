import type { Appends } from './pipeline-appends.ts'

/**
 * Appends by topic, transactions by writer and cursors by group, per message; the most come first.
 */
export function tableOf({ byTopic, transactions, cursors }: Appends, messages: number): string {
  const each = (count: number): string => (count / messages).toFixed(2).padStart(9)
  const topics = [...byTopic].toSorted(([, a], [, b]) => b.batches + b.markers - a.batches - a.markers)
  const writers = [...byWriter(transactions)].toSorted(([, a], [, b]) => b - a)
  const groups = [...cursors].toSorted(([, a], [, b]) => b - a)
  return [
    `a message   ${'topic'.padEnd(36)}  batches  markers  records    bytes`,
    ...topics.map(([topic, { batches, markers, records, bytes }]) =>
      [
        each(batches + markers),
        '   ',
        topic.padEnd(36),
        ...[batches, markers, records, bytes].map(each),
      ].join(''),
    ),
    '',
    'a message   transactions of',
    ...writers.map(([writer, count]) => `${each(count)}   ${writer}`),
    '',
    'a message   cursors moved of',
    ...groups.map(([group, count]) => `${each(count)}   ${group}`),
    '',
  ].join('\n')
}

/** A transactional id ends with what tells the tasks, members or partitions of one writer apart. */
function byWriter(transactions: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const [id, count] of transactions) {
    const writer = id.replace(/\.[^.]*\d[^.]*$/, '')
    sums.set(writer, (sums.get(writer) ?? 0) + count)
  }
  return sums
}

/** The names that the gateway before this one used [FL4]. */
const ALIASES = [
  ['orch_submit_total', 'gateway_submit_total'],
  ['orch_submit_latency_seconds', 'gateway_submit_latency_seconds'],
] as const

/**
 * Prometheus text with the old names behind the new ones [FL3], so that the dashboards of both live
 * side by side during the migration. Delete this file, and METRIC_ALIASES, 30 days after cutover.
 */
export function withAliases(text: string): string {
  const lines = text.split('\n')
  const copies = ALIASES.flatMap(([name, alias]) => {
    const isOf = new RegExp(`^(# (?:HELP|TYPE) )?${name}(_bucket|_sum|_count)?(?=[ {])`)
    return lines.filter((line) => isOf.test(line)).map((line) => line.replace(name, alias))
  })
  const replays = lines.flatMap(
    (line) => /^orch_submit_total\{result="replay"\} (\S+)$/.exec(line)?.[1] ?? [],
  )
  const replay = [
    '# HELP gateway_idempotency_replay_total Replayed submits',
    '# TYPE gateway_idempotency_replay_total counter',
    `gateway_idempotency_replay_total ${replays[0] ?? 0}`,
  ]
  return [text.trimEnd(), ...copies, ...replay, ''].join('\n')
}

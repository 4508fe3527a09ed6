import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { createInstruments } from '../../api/instruments.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { Pool } from 'pg'
import { archiveMetrics } from './archive/archive.ts'
import { jobsWith, monthsObserver } from './jobs.ts'
import { jobRunner } from './runner.ts'

const textOf = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

const Rule = z.object({
  alert: z.string(),
  expr: z.string(),
  for: z.string().default('0s'),
  labels: z.object({ severity: z.enum(['warning', 'critical']) }),
  annotations: z.object({ summary: z.string(), runbook: z.string() }),
})
const rules = z
  .object({ groups: z.array(z.object({ rules: z.array(Rule) })) })
  .parse(parse(textOf('ops/prometheus/jobs.rules.yml')))
  .groups.flatMap((group) => group.rules)

/** Words of PromQL that are no metric. */
const WORDS = new Set(['time', 'max', 'by', 'job', 'absent', 'increase'])

function metricNames(): ReadonlySet<string> {
  const metrics = new Metrics()
  const nowhere = new Pool()
  const pools = { migrator: nowhere, relay: nowhere, dlr: nowhere, smpp: nowhere }
  jobRunner({ jobs: jobsWith(silentLogger), pools, metrics, logger: silentLogger, now: () => 0 })
  monthsObserver(metrics)
  archiveMetrics(metrics)
  createInstruments(metrics)
  return new Set(metrics.registry.getMetricsAsArray().map(({ name }) => name))
}

describe('the alerts of the jobs', () => {
  it.each(rules)('$alert is what the rules say [A1]', ({ alert, expr, for: wait, labels }) => {
    const page = textOf('docs/rules/operations.md').replace(/\s+/g, ' ')
    expect(page).toContain(`${alert} (ours): \`${expr}\` · ${wait} · ${labels.severity}`)
  })

  it.each(rules)('$alert asks for metrics that there are, and has a page', ({ expr, annotations }) => {
    const names = [...expr.matchAll(/[a-z_]{3,}/g)].map(([name]) => name).filter((name) => !WORDS.has(name))
    expect(names).not.toEqual([])
    const known = metricNames()
    expect(names.filter((name) => !known.has(name))).toEqual([])
    expect(textOf(annotations.runbook)).not.toBe('')
  })

  it('are all tried with simulated series [A2]', () => {
    const tried = textOf('ops/prometheus/jobs.rules.test.yml')
    for (const { alert } of rules) expect(tried).toContain(`alertname: ${alert}`)
  })
})

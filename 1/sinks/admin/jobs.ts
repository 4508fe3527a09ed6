import { z } from 'zod'
import type { JobDesk, JobState } from '../../streams/tools/desks.ts'
import { closeJobPools } from '../jobs/pools.ts'
import type { Runner } from '../jobs/runner.ts'
import type { Job, JobPools } from '../jobs/schedule.ts'

export interface JobDeskOptions {
  readonly jobs: readonly Job[]
  readonly pools: JobPools
  readonly runner: Runner
  readonly now: () => number
}

const Run = z.object({ job: z.string(), succeeded_at: z.date().nullable(), failed_at: z.date().nullable() })

/** What `orch.job_runs` says of every job that there is, and running one now. */
export const jobDesk = ({ jobs, pools, runner, now }: JobDeskOptions): JobDesk => ({
  async list() {
    const { rows } = await pools.migrator.query('SELECT job, succeeded_at, failed_at FROM orch.job_runs')
    const runs = new Map(
      z
        .array(Run)
        .parse(rows)
        .map((run) => [run.job, run]),
    )
    return jobs.map((job) => stateOf(job, runs.get(job.name), now()))
  },
  async run(name) {
    const job = jobs.find((known) => known.name === name)
    if (job === undefined) return 'unknown'
    return (await runner.runNow(job)) ? 'done' : 'busy'
  },
  close: () => closeJobPools(pools),
})

function stateOf({ name, schedule }: Job, run: z.infer<typeof Run> | undefined, nowMs: number): JobState {
  const { everyMs } = schedule
  const succeededMs = run?.succeeded_at?.getTime()
  return {
    name,
    everyMs,
    succeededAt: run?.succeeded_at?.toISOString() ?? null,
    failedAt: run?.failed_at?.toISOString() ?? null,
    // As the alert has it [A23].
    isOverdue: succeededMs === undefined || nowMs - succeededMs > 2 * everyMs,
  }
}

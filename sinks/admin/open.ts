import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { readConfig } from '../../streams/platform/config.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import type { ArchiveDesk, DeadMessageDesk, JobDesk, OutboxDesk } from '../../streams/tools/desks.ts'
import { openArchive } from '../jobs/archive/open.ts'
import { jobsConfig } from '../jobs/config.ts'
import { jobsWith } from '../jobs/jobs.ts'
import { openJobPools } from '../jobs/pools.ts'
import { jobRunner } from '../jobs/runner.ts'
import { addressAs, openPool } from '../postgres/pool.ts'
import { archiveDesk } from './archive.ts'
import { deadMessages } from './dead-messages.ts'
import { jobDesk } from './jobs.ts'
import { outboxDesk } from './outbox.ts'

const shape = {
  DATABASE_URL: z.string().url().optional(),
  /**
   * With the password of `admin_svc`. Absent: DATABASE_URL as that role without a password, which
   * only a trusting cluster takes.
   */
  ADMIN_DATABASE_URL: z.string().url().optional(),
}

const Address = z.string({ error: 'ADMIN_DATABASE_URL or DATABASE_URL must say where the tables are' })

/** Opens what a command asks for; each is closed by itself. @throws ConfigError */
export function openDesks(logger: Logger, env?: Readonly<Record<string, string | undefined>>) {
  const means = { now: Date.now, newId: randomUUID }
  const lost = (operation: string, error: Error) =>
    logger.warn('postgres.connection_lost', { operation, error })
  const adminPool = () => {
    const { ADMIN_DATABASE_URL: own, DATABASE_URL: shared } = readConfig(shape, env)
    const url = Address.parse(own ?? (shared === undefined ? undefined : addressAs(shared, 'admin_svc')))
    return openPool({
      url,
      applicationName: 'sms-admin',
      connectionsMax: 2,
      onIdleError: (error) => lost('admin', error),
    })
  }
  return {
    deadMessages: (): DeadMessageDesk => deadMessages(adminPool(), means),
    outbox: (): OutboxDesk => outboxDesk(adminPool(), means),
    jobs: (): JobDesk => {
      const { addresses, archive } = jobsConfig(env)
      const pools = openJobPools(addresses, lost)
      const metrics = new Metrics()
      const means = archive === undefined ? undefined : openArchive(archive, { logger, metrics })
      const jobs = jobsWith(logger, means)
      const runner = jobRunner({ jobs, pools, metrics, logger, now: Date.now })
      return jobDesk({ jobs, pools, runner, now: Date.now })
    },
    archive: (): ArchiveDesk => {
      const { addresses, archive } = jobsConfig(env)
      return archiveDesk(openJobPools(addresses, lost), archive)
    },
  }
}

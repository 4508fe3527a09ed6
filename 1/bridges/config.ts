import { z } from 'zod'
import {
  commonEnv,
  flag,
  list,
  logEnv,
  milliseconds,
  natsEnv,
  natsUrl,
  port,
  positive,
} from '../streams/platform/config.ts'
import { STUCK_AFTER_MS } from '../streams/runtime/watch/position-watch.ts'
import type { ProvisionOptions } from './nats/provision.ts'

/** What the provisioner of NATS takes. */
export const provisionEnv = {
  NATS_REPLICAS: positive.default(3),
  OPERATOR_IDS: list.default([]),
  /** Receipts in work at a time, which is `max_ack_pending` of `dlr-processor` [SL10]. */
  DLR_MAX_CONCURRENCY: positive.default(10),
  /**
   * Makes durables of commands that are missing from the first message of the stream, although no
   * mark says what was sent: docs/runbooks/bridge-marks.md.
   */
  NATS_PROVISION_UNMARKED: flag.default(false),
}

export const provisionOptions = (
  config: z.infer<z.ZodObject<typeof provisionEnv>>,
): Pick<ProvisionOptions, 'replicas' | 'operatorIds' | 'dlrConcurrency' | 'isUnmarkedAllowed'> => ({
  replicas: config.NATS_REPLICAS,
  operatorIds: config.OPERATOR_IDS,
  dlrConcurrency: config.DLR_MAX_CONCURRENCY,
  isUnmarkedAllowed: config.NATS_PROVISION_UNMARKED,
})

/** What the bridges take. */
export const bridgesEnv = {
  ...commonEnv,
  ...logEnv,
  ...natsEnv,
  ...provisionEnv,
  PORT: port.default(9465),
  /**
   * The bridges are three users of NATS: [NU4], [NU5], [NU7]. Each may have an address, with its
   * user and password.
   */
  NATS_ORCHESTRATOR_URL: natsUrl.optional(),
  NATS_DLR_URL: natsUrl.optional(),
  NATS_MIRROR_URL: natsUrl.optional(),
  /** Folder with `<user>.creds` of each of the three; NATS_CREDS then counts for none of them. */
  NATS_CREDS_DIR: z.string().optional(),
  /**
   * Makes the streams and durables at the start: as yet that is the default [NU1]. In production
   * `bridges/provision.ts` makes them, under its own user.
   */
  NATS_PROVISION: flag.default(true),
  /**
   * Publishes commands of a partition that has a past and no mark, all from its cursor on. Each may
   * be sent to its operator a second time: docs/runbooks/bridge-marks.md.
   */
  BRIDGE_PUBLISH_UNMARKED: flag.default(false),
  /** A partition with records behind it that does not move for this long fails the health check. */
  STUCK_AFTER_MS: positive.default(STUCK_AFTER_MS),
  POLL_MS: milliseconds.default(5_000),
}

import type { Logger } from '../../../streams/platform/logger.ts'
import type { Instruments } from '../../instruments.ts'
import type { ApiMiddleware, ApiRouter } from '../../state.ts'
import type { AdminDesk } from './desk.ts'
import { orphanDesk } from './orphan-desk.ts'
import { addOrphans } from './orphans.ts'
import { quarantineDesk, type DeskMeans } from './quarantine-desk.ts'
import { addQuarantine } from './quarantine.ts'

export interface AdminDeps {
  readonly administrator: ApiMiddleware
  readonly desk: AdminDesk
  readonly instruments: Instruments
  readonly logger: Logger
}

/** Under a prefix of their own, which the switch of submits leaves alone [FL1]. */
export const addAdmin = (router: ApiRouter, deps: AdminDeps): void => {
  addQuarantine(router, deps)
  addOrphans(router, deps)
}

export const adminDesk = (means: DeskMeans): AdminDesk => ({ ...quarantineDesk(means), ...orphanDesk(means) })

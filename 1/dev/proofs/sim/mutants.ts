import {
  ackBeforeProduce,
  commitNeverAnswers,
  forgetfulReader,
  generationNotSent,
  halfRoundKept,
  offsetOutside,
  oneGroupLeftOut,
  outputsOutside,
  replayNotMarked,
  tombstonesNotRead,
  unstableCursors,
  withCommit,
} from './mutant-logs.ts'
import {
  cursorBeforeAck,
  inboundAckFirst,
  markNotAwaited,
  marksNotRead,
  namelessPublishes,
  replayedPublished,
} from './mutant-bridges.ts'
import { LARGE_MUTANTS } from './mutant-large.ts'
import { LOSS_MUTANTS } from './mutant-losses.ts'
import { OWNER_MUTANTS } from './mutant-owners.ts'
import { anyInputReached, mergedByName } from './mutant-order.ts'
import {
  marksOnlyWithEffects,
  overlayBeforeCommit,
  timersAfterRecords,
  volatileTimers,
} from './mutant-stores.ts'
import { abortedOverlayKept } from './mutant-commits.ts'
import { forgetful, impatient, seesOneLess } from './mutant-topologies.ts'
import type { Plant } from './process.ts'

/**
 * Defects that the simulation must find, or its silence proves nothing. Each is planted around what
 * the runtime is given: a log client, a store, a topology that does something in the wrong order.
 * Production code knows nothing of them.
 */
export const MUTANTS: Readonly<Record<string, () => Plant>> = {
  'ack-before-produce': () => withCommit(ackBeforeProduce),
  'offset-outside-transaction': () => withCommit(offsetOutside),
  'outputs-outside-transaction': () => withCommit(outputsOutside),
  'replay-not-marked': () => withCommit(replayNotMarked),
  'dedupe-off': () => ({ topologies: (topologies) => topologies.map(forgetful) }),
  'timer-not-durable': () => ({ stores: volatileTimers }),
  'overlay-applied-before-commit': overlayBeforeCommit,
  'results-not-awaited': () => ({ topologies: (topologies) => topologies.map(impatient) }),
  'generation-not-sent': () => withCommit(generationNotSent),
  'take-over-without-stable-cursors': () => ({ log: unstableCursors }),
  'one-group-left-out': () => withCommit(oneGroupLeftOut),
  'half-round-with-its-neighbours': () => withCommit(halfRoundKept),
  'aborted-overlay-committed': abortedOverlayKept,
  'commit-never-answers': commitNeverAnswers,
  'standby-loses-rows': () => ({ log: forgetfulReader }),
  'tombstones-not-restored': () => ({ log: tombstonesNotRead }),
  'seen-max-off-by-one': () => ({
    topologies: (topologies, { seenMax }) => topologies.map(seesOneLess(seenMax)),
  }),
  'mark-not-raised-without-effects': marksOnlyWithEffects,
  'timers-after-records': timersAfterRecords,
  'timers-when-any-input-is-reached': () => ({ log: anyInputReached }),
  'inputs-merged-by-name': () => ({ log: mergedByName }),
  'bridge-cursor-before-ack': () => ({ bridgeLog: cursorBeforeAck }),
  'bridge-mark-not-awaited': () => ({ bridgeLog: markNotAwaited }),
  'bridge-marks-not-read': () => ({ bridgeLog: marksNotRead }),
  'bridge-publishes-replayed': () => ({ bridgeLog: replayedPublished }),
  'bridge-acknowledges-first': () => ({ reader: inboundAckFirst }),
  'bridge-publishes-without-id': namelessPublishes,
  'gateway-acknowledges-first': () => ({ gateway: { acknowledgesFirst: true } }),
  'gateway-forgets-journal': () => ({ gateway: { forgetsJournal: true } }),
  ...LARGE_MUTANTS,
  ...LOSS_MUTANTS,
  ...OWNER_MUTANTS,
}

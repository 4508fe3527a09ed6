import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker, KafkaCluster } from '../../stack/cluster/cluster.ts'
import type { Dice } from '../sim/dice.ts'

/** What was done to the brokers; counted as it is done. */
export interface BrokerTroubles {
  brokerStops: number
  brokerCrashes: number
  brokerFreezes: number
}

export const noBrokerTroubles = (): BrokerTroubles => ({ brokerStops: 0, brokerCrashes: 0, brokerFreezes: 0 })

const CALM_MS = [3_000, 12_000] as const
/** From less than it takes to be missed to a minute. */
const AWAY_MS = [2_000, 8_000, 15_000, 60_000] as const
const WEIGHTS = { brokerStops: 3, brokerCrashes: 3, brokerFreezes: 2 }

/**
 * Takes one broker at a time away until `until` aborts, and waits for the cluster to be whole
 * before the next. With two away nothing could be acknowledged, which is no fault of a client.
 */
export async function troubleBrokers(
  cluster: KafkaCluster,
  dice: Dice,
  troubles: BrokerTroubles,
  until: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  for (;;) {
    await pause(dice.int(...CALM_MS), until)
    if (until.aborted) return
    const [broker, what, awayMs] = [dice.pick(cluster.brokers), dice.weighted(WEIGHTS), dice.pick(AWAY_MS)]
    say(`${what} ${broker.name} for ${awayMs / 1000} s`)
    await takeAway(broker, what, () => pause(awayMs, until))
    troubles[what] += 1
    await cluster.whole()
  }
}

async function takeAway(
  broker: Broker,
  what: keyof BrokerTroubles,
  away: () => Promise<unknown>,
): Promise<void> {
  if (what === 'brokerFreezes') {
    broker.freeze()
    await away()
    broker.thaw()
    return
  }
  await (what === 'brokerStops' ? broker.stop() : broker.crash())
  await away()
  await broker.start()
}

const pause = (ms: number, until: AbortSignal): Promise<unknown> =>
  sleep(ms, undefined, { signal: until }).catch(() => undefined)

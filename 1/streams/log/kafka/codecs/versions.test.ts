import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ApiVersions, Call, CallFor } from '../wire/call.ts'
import { ownCall } from '../wire/own-call.ts'
import {
  createTopics,
  deleteTopics,
  describeConfigs,
  describeGroups,
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  listOffsets,
  syncGroup,
} from './apis.ts'
import { fetchRequest } from './fetch-request.ts'
import { leaderEpochRequest } from './leader-epoch-request.ts'
import { metadataRequest } from './metadata-request.ts'
import { offsetCommitRequest } from './offset-commit-request.ts'
import { offsetFetchRequest } from './offset-fetch-request.ts'

/**
 * The ranges of Apache Kafka 4.3 (ApiVersions of the broker of the tests) and of Redpanda (its
 * handlers, src/v/kafka/server/handlers, December 2024), by api key.
 */
const KAFKA = ranges(
  '1:4-18 2:1-11 3:0-13 8:2-10 9:1-10 10:0-6 11:0-9 12:0-4 13:0-5 14:0-5 15:0-6 19:2-7 20:1-6 23:2-4 32:1-4',
)
const REDPANDA = ranges(
  '1:4-11 2:0-4 3:0-8 8:1-8 9:1-7 10:0-3 11:0-6 12:0-4 13:0-4 14:0-4 15:0-5 19:0-6 20:0-5 23:0-4 32:0-4',
)

function ranges(text: string): ApiVersions {
  const all = text.split(' ').map((one): [number, { minVersion: number; maxVersion: number }] => {
    const [key = 0, minVersion = 0, maxVersion = 0] = one.split(/[:-]/).map(Number)
    return [key, { minVersion, maxVersion }]
  })
  return new Map(all)
}

const member = { groupId: 'g', memberId: 'm' }

const requests: readonly CallFor<object>[] = [
  ownCall(fetchRequest([], { waitMs: 1, bytesMax: 1, partitionBytesMax: 1 })),
  listOffsets({ isolationLevel: 1, topics: [] }),
  metadataRequest(['t']),
  ownCall(offsetCommitRequest({ ...member, groupGenerationId: 1 }, [])),
  ownCall(offsetFetchRequest('g', new Map(), true)),
  findCoordinator({ groupId: 'g', coordinatorType: 0 }),
  joinGroup({
    ...member,
    sessionTimeout: 1,
    rebalanceTimeout: 1,
    protocolType: 'consumer',
    groupProtocols: [],
  }),
  heartbeat({ ...member, groupGenerationId: 1 }),
  leaveGroup(member),
  syncGroup({ ...member, generationId: 1, groupAssignment: [] }),
  describeGroups({ groupIds: ['g'] }),
  createTopics({ topics: [], timeout: 1 }),
  deleteTopics({ topics: [], timeout: 1 }),
  ownCall(leaderEpochRequest([])),
  describeConfigs({ resources: [], includeSynonyms: false }),
]

const chosen = (versions: ApiVersions): readonly Call<object>[] =>
  requests.map((request) => request(versions))

const ADR = new URL(
  '../../../../docs/adr/0031-own-connections-and-what-is-asked-of-a-broker.md',
  import.meta.url,
)

describe('what is asked of a broker', () => {
  it('is what ADR 0031 lists, of Kafka and of Redpanda', () => {
    const page = readFileSync(ADR, 'utf8')
    const kafka = chosen(KAFKA)
    for (const [i, redpanda] of chosen(REDPANDA).entries()) {
      const { apiKey, apiVersion } = kafka[i] ?? redpanda
      const versions =
        apiVersion === redpanda.apiVersion ? `v${apiVersion}` : `v${apiVersion}, else v${redpanda.apiVersion}`
      expect(page).toMatch(new RegExp(`^\\| ${apiKey} \\| [A-Za-z]+ \\| ${versions} \\|`, 'm'))
    }
  })

  it('ends with a sentence where a broker speaks no version of it', () => {
    for (const request of requests) {
      expect(() => request(new Map())).toThrow(/^the broker (does not speak|speaks no version of)/)
      const newer = new Map([...KAFKA.keys()].map((key) => [key, { minVersion: 90, maxVersion: 99 }]))
      expect(() => request(newer)).toThrow(/^the broker (does not speak|speaks no version of)/)
    }
  })

  it('finds in kafkajs what it looks for', () => {
    expect(chosen(KAFKA).map(({ apiKey }) => apiKey)).toEqual([...KAFKA.keys()])
  })
})

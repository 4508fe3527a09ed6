import type { CallFor } from '../wire/call.ts'
import { kafkajsCall } from './kafkajs.ts'
import type { BrokerAddress } from '../wire/broker-connections.ts'

/**
 * The requests for which kafkajs's codecs serve. Only the codecs: its `parse` throws at the first
 * partition that failed and hides error codes that it does not know, so answers come back as
 * decoded, with a code to each part.
 */
export type Api<Payload extends object, Answer extends object> = (payload: Payload) => CallFor<Answer>

function api<Payload extends object, Answer extends object>(
  name: string,
  expected: readonly (keyof Answer)[],
): Api<Payload, Answer> {
  return (payload) => (versions) => kafkajsCall(name, payload, versions, expected)
}

interface Coded {
  readonly errorCode: number
}

export const findCoordinator = api<
  { groupId: string; coordinatorType: 0 | 1 },
  Coded & { coordinator: BrokerAddress }
>('GroupCoordinator', ['errorCode', 'coordinator'])

export const listOffsets = api<
  {
    isolationLevel: 0 | 1
    topics: readonly {
      topic: string
      partitions: readonly { partition: number; timestamp: number }[]
    }[]
  },
  {
    responses: readonly {
      topic: string
      partitions: readonly (Coded & { partition: number; offset: string })[]
    }[]
  }
>('ListOffsets', ['responses'])

export const joinGroup = api<
  {
    groupId: string
    sessionTimeout: number
    rebalanceTimeout: number
    memberId: string
    protocolType: 'consumer'
    groupProtocols: readonly { name: string; metadata: Buffer }[]
  },
  Coded & {
    generationId: number
    leaderId: string
    memberId: string
    members: readonly { memberId: string; memberMetadata: Buffer }[]
  }
>('JoinGroup', ['errorCode', 'generationId', 'leaderId', 'memberId', 'members'])

interface MemberPayload {
  readonly groupId: string
  readonly memberId: string
}

export const syncGroup = api<
  MemberPayload & {
    generationId: number
    groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[]
  },
  Coded & { memberAssignment: Buffer }
>('SyncGroup', ['errorCode', 'memberAssignment'])

export const heartbeat = api<MemberPayload & { groupGenerationId: number }, Coded>('Heartbeat', ['errorCode'])

export const leaveGroup = api<MemberPayload, Coded>('LeaveGroup', ['errorCode'])

export const describeGroups = api<
  { groupIds: readonly string[] },
  {
    groups: readonly (Coded & { groupId: string; state: string; members: readonly { memberId: string }[] })[]
  }
>('DescribeGroups', ['groups'])

export const createTopics = api<
  {
    topics: readonly {
      topic: string
      numPartitions: number
      replicationFactor: number
      configEntries: readonly { name: string; value: string }[]
    }[]
    timeout: number
  },
  { topicErrors: readonly (Coded & { topic: string; errorMessage: string | null })[] }
>('CreateTopics', ['topicErrors'])

export const deleteTopics = api<
  { topics: readonly string[]; timeout: number },
  { topicErrors: readonly (Coded & { topic: string })[] }
>('DeleteTopics', ['topicErrors'])

export const describeConfigs = api<
  { resources: readonly { type: 2; name: string; configNames: readonly string[] }[]; includeSynonyms: false },
  {
    resources: readonly (Coded & {
      resourceName: string
      configEntries: readonly { configName: string; configValue: string | null; configSource: number }[]
    })[]
  }
>('DescribeConfigs', ['resources'])

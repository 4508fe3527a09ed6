import { describeGroups, leaveGroup } from '../codecs/apis.ts'
import type { Cluster } from '../cluster/cluster.ts'

const LANE = 'expel'

/**
 * Makes a group forget all its members, who do not notice: what a session timeout does, without the
 * wait.
 */
export async function expel(cluster: Cluster, group: string): Promise<void> {
  const nodeId = await cluster.coordinatorOf('group', group)
  const { groups } = await cluster.send(LANE, nodeId, describeGroups({ groupIds: [group] }))
  for (const { memberId } of groups.flatMap(({ members }) => members)) {
    await cluster.send(LANE, nodeId, leaveGroup({ groupId: group, memberId }))
  }
}

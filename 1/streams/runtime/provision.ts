import { catalogue, changelogSpec, deadLetterSpec, type CatalogueOptions } from '../contracts/catalogue.ts'
import { deadLetterTopicOf } from '../contracts/topic.ts'
import { changelogsOf, type Topology } from '../dsl/topology.ts'
import type { LogAdmin, TopicSpec } from '../log/port.ts'

/**
 * Creates every topic of the platform and verifies what exists: the catalogue, changelogs, dead
 * letters of the inputs.
 */
export const provisionTopics = (
  admin: LogAdmin,
  topologies: readonly Topology[],
  options: CatalogueOptions,
): Promise<void> => admin.ensureTopics(topicSpecs(topologies, options))

export function topicSpecs(topologies: readonly Topology[], options: CatalogueOptions): readonly TopicSpec[] {
  const { partitions, replicas } = options
  const specs = new Map<string, TopicSpec>(catalogue(options).map((spec) => [spec.name, spec]))
  const partitionsOf = (name: string): number => specs.get(name)?.partitions ?? partitions
  for (const topology of topologies) {
    for (const name of changelogsOf(topology)) specs.set(name, changelogSpec(name, partitions, replicas))
    for (const { name } of topology.inputs) {
      const dead = deadLetterTopicOf(name)
      specs.set(dead, deadLetterSpec(dead, partitionsOf(name), replicas))
    }
  }
  return [...specs.values()]
}

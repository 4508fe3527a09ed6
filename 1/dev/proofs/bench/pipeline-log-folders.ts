import kafkajs from 'kafkajs'

// Not all of its names can be seen from ESM.
const { ConfigResourceTypes, Kafka, logLevel } = kafkajs

/** Where the brokers keep their logs, as they say themselves. */
export async function logFoldersOf(brokers: readonly string[]): Promise<readonly string[]> {
  const admin = new Kafka({ brokers: [...brokers], clientId: 'bench', logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const cluster = await admin.describeCluster()
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: cluster.brokers.map(({ nodeId }) => ({
        type: ConfigResourceTypes.BROKER,
        name: String(nodeId),
        configNames: ['log.dirs'],
      })),
    })
    return resources.flatMap(({ configEntries }) =>
      configEntries.flatMap(({ configValue }) => configValue.split(',')),
    )
  } finally {
    await admin.disconnect()
  }
}

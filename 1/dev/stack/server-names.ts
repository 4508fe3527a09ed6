/** The four servers of the local stack, and the variable that carries each one's address. */
export const serverNames = ['kafka', 'nats', 'postgres', 'redis'] as const

export type ServerName = (typeof serverNames)[number]

export const addressVariables: Readonly<Record<ServerName, string>> = {
  kafka: 'KAFKA_BROKERS',
  nats: 'NATS_URL',
  postgres: 'DATABASE_URL',
  redis: 'REDIS_URL',
}

import { randomUUID } from 'node:crypto'
import { jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import { z } from 'zod'
import { outboundRequests } from '../../../streams/contracts/outbound.ts'
import type { Closers } from '../../../streams/platform/process.ts'
import { createDatabase } from '../../database.ts'
import { startIdentityProvider } from '../../neighbours/identity-provider/identity.ts'
import type { Client } from './submit-load.ts'
import { startApi } from './submit-servers.ts'

export const backendsEnv = { DATABASE_URL: z.string(), NATS_URL: z.string(), REDIS_URL: z.string() }

/** The API on a database and a stream of its own, and four tenants that may submit. */
export async function prepareApi(config: z.infer<z.ZodObject<typeof backendsEnv>>, closers: Closers) {
  const id = randomUUID().slice(0, 8)
  const database = closers.add(
    'database',
    await createDatabase(config.DATABASE_URL, `submit_${id}`),
    (open) => open.drop(),
  )
  const nats = closers.add('nats', await connect({ servers: config.NATS_URL }), (open) => open.close())
  const manager = await jetstreamManager(nats)
  await manager.streams.add({
    name: `SUBMIT_${id}`,
    subjects: [outboundRequests.name],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    duplicate_window: nanos(600_000),
  })
  closers.add('stream', manager, async (open) => void (await open.streams.delete(`SUBMIT_${id}`)))
  const issuer = closers.add('issuer', await startIdentityProvider(), (open) => open.close())
  const tenants = Array.from({ length: 4 }, () => ({ tenantId: randomUUID(), accountId: randomUUID() }))
  const clients = await Promise.all(
    tenants.map(
      async (tenant): Promise<Client> => ({ tenantId: tenant.tenantId, token: await issuer.token(tenant) }),
    ),
  )
  const api = await startApi(
    {
      DATABASE_URL: database.urlAs('orch_svc'),
      RELAY_DATABASE_URL: database.urlAs('orch_relay'),
      JWT_JWKS_URL: issuer.jwksUrl,
      SUBMIT_API_ENABLED: 'true',
    },
    closers,
  )
  return { api, bareDatabaseUrl: database.url, clients }
}

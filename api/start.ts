import type { Closers } from '../streams/platform/process.ts'
import { openBackends, type Surroundings } from './backends.ts'
import type { ApiConfig } from './config.ts'
import { listen, type Listener } from './listener.ts'
import { messageReader } from './message-reader.ts'
import { messageStore } from './submit/message-store.ts'
import { readinessOf } from './readiness.ts'
import { redisReplyCache } from './submit/reply-cache.ts'
import { createApp } from './server.ts'
import { createSubmit } from './submit/submit.ts'
import { remoteKeys, tokenVerifier } from './middleware/token.ts'

/**
 * Starts the API; `closers` end it in reverse: first no new requests, then the relay, the pools
 * last.
 */
export async function startApi(config: ApiConfig, around: Surroundings, closers: Closers): Promise<Listener> {
  const backends = openBackends(config, around, closers)
  const { database, redis, publisher, instruments } = backends
  const app = createApp({
    ...around,
    instruments,
    enabled: config.SUBMIT_API_ENABLED,
    verify: tokenVerifier(remoteKeys(config.JWT_JWKS_URL), {
      issuer: config.JWT_ISSUER,
      audience: config.JWT_AUDIENCE,
      tenantClaim: config.JWT_TENANT_CLAIM,
      now: around.now,
    }),
    submit: createSubmit({
      ...around,
      ...backends,
      cache: redisReplyCache(redis, instruments),
      store: messageStore(database),
    }),
    reader: messageReader(database),
    ready: readinessOf({
      database,
      redisConnected: () => redis.status === 'ready',
      natsConnected: () => publisher.connected,
    }),
  })
  return closers.add('http', await listen(app.callback(), config.HOST, config.PORT), (open) => open.close())
}

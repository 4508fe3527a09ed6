import type { Closers } from '../streams/platform/process.ts'
import { openBackends, type Surroundings } from './backends.ts'
import type { ApiConfig } from './config.ts'
import { watchFlags } from './middleware/flags.ts'
import { listen, type Listener } from './listener.ts'
import { fairShare } from './reading/fair-share.ts'
import { messageReader, sharedFairly } from './reading/message-reader.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { createCancel } from './submit/cancel.ts'
import { groupCommit } from './submit/group-commit.ts'
import { messageStore } from './submit/message-store.ts'
import { readinessOf } from './readiness.ts'
import { redisReplyCache } from './submit/reply-cache.ts'
import { adminDesk } from './routes/admin/admin.ts'
import { createApp } from './server.ts'
import { createSubmit } from './submit/submit.ts'
import { admission } from './middleware/admission.ts'
import { signedByGateway } from './middleware/gateway-proof.ts'
import type { Credentials } from './middleware/identity.ts'
import { remoteKeySet, signingKeys } from './middleware/signing-keys.ts'
import { tokenVerifier } from './middleware/token.ts'

/**
 * Starts the API; `closers` end it in reverse: first red readiness and no new requests, then the
 * relay, the pools last.
 */
export async function startApi(config: ApiConfig, around: Surroundings, closers: Closers): Promise<Listener> {
  const backends = openBackends(config, around, closers)
  const { database, reads, redis, publisher, instruments } = backends
  const flags = await watchFlags({
    defaults: { enabled: config.SUBMIT_API_ENABLED, shadow: config.SUBMIT_API_SHADOW },
    file: config.SUBMIT_FLAGS_FILE,
    logger: around.logger,
  })
  closers.add('flags', flags, (open) => open.close())
  let listener: Listener | undefined
  const app = createApp({
    ...around,
    instruments,
    gate: admission(config.INFLIGHT_MAX),
    flags: () => flags.current,
    metricAliases: config.METRIC_ALIASES,
    credentials: credentialsOf(config, around),
    submit: createSubmit({
      ...around,
      ...backends,
      cache: redisReplyCache(redis, instruments),
      store: groupCommit({ store: messageStore(database), sleep }),
    }),
    cancel: createCancel({ ...around, ...backends }),
    admin: backends.adminDatabase && adminDesk({ ...around, database: backends.adminDatabase }),
    reader: sharedFairly(messageReader(reads), fairShare(backends.readShare)),
    ready: readinessOf({
      database: backends.probe,
      draining: () => listener?.draining === true,
      redisConnected: () => redis.status === 'ready',
      natsConnected: () => publisher.connected,
    }),
  })
  listener = await listen({
    handler: app.callback(),
    host: config.HOST,
    port: config.PORT,
    graceMs: config.SHUTDOWN_GRACE_MS,
    newId: around.newId,
  })
  return closers.add('http', listener, (open) => open.close())
}

function credentialsOf(config: ApiConfig, { now, monotonicMs }: Surroundings): Credentials {
  const keys = signingKeys({
    fetchKeys: remoteKeySet(config.JWT_JWKS_URL),
    monotonicMs,
  })
  const verify = tokenVerifier(keys, {
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    tenantClaim: config.JWT_TENANT_CLAIM,
    algorithms: config.JWT_ALGORITHMS,
    now,
  })
  if (config.AUTH_MODE === 'jwt') return { verify, gateway: undefined }
  // Without a secret the configuration has made sure that only this host can speak to us.
  const gateway =
    config.GATEWAY_SECRET === undefined ? () => true : signedByGateway(config.GATEWAY_SECRET, now)
  return { verify, gateway }
}

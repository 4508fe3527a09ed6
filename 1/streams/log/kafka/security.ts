import { readFileSync } from 'node:fs'
import { ConfigError } from '../../platform/config.ts'
import type { LogConfig } from '../../platform/config.ts'
import type { ClusterOptions } from './cluster/open-cluster.ts'

/**
 * Where the brokers are and how a program shows who it is there [NU8]. Files are read once, at the
 * start. Throws ConfigError for what cannot be meant, so that nothing speaks in the clear because a
 * switch was forgotten.
 */
export function kafkaOptions(
  config: LogConfig,
): Pick<ClusterOptions, 'brokers' | 'tls' | 'sasl' | 'compression'> {
  const { KAFKA_BROKERS: brokers, KAFKA_COMPRESSION: compression } = config
  return { brokers, compression, tls: tlsOf(config), sasl: saslOf(config) }
}

function tlsOf(config: LogConfig): ClusterOptions['tls'] {
  const { KAFKA_TLS, KAFKA_CA_FILE, KAFKA_CERT_FILE, KAFKA_KEY_FILE } = config
  const files = { KAFKA_CA_FILE, KAFKA_CERT_FILE, KAFKA_KEY_FILE }
  const [named] = Object.entries(files).find(([, path]) => path !== undefined) ?? []
  if (!KAFKA_TLS && named !== undefined) throw new ConfigError(`${named} needs KAFKA_TLS=true`)
  if (!KAFKA_TLS) return undefined
  if ((KAFKA_CERT_FILE === undefined) !== (KAFKA_KEY_FILE === undefined))
    throw new ConfigError('KAFKA_CERT_FILE and KAFKA_KEY_FILE belong together')
  return {
    ...(KAFKA_CA_FILE !== undefined && { ca: contentOf('KAFKA_CA_FILE', KAFKA_CA_FILE) }),
    ...(KAFKA_CERT_FILE !== undefined && { cert: contentOf('KAFKA_CERT_FILE', KAFKA_CERT_FILE) }),
    ...(KAFKA_KEY_FILE !== undefined && { key: contentOf('KAFKA_KEY_FILE', KAFKA_KEY_FILE) }),
  }
}

function saslOf(config: LogConfig): ClusterOptions['sasl'] {
  const { KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE } = config
  if (KAFKA_SASL_MECHANISM === undefined) {
    if (KAFKA_SASL_USERNAME === undefined && KAFKA_SASL_PASSWORD_FILE === undefined) return undefined
    throw new ConfigError('KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE need KAFKA_SASL_MECHANISM')
  }
  if (KAFKA_SASL_USERNAME === undefined || KAFKA_SASL_PASSWORD_FILE === undefined)
    throw new ConfigError('KAFKA_SASL_MECHANISM needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE')
  // Editors and secret stores end a file with a newline.
  const password = contentOf('KAFKA_SASL_PASSWORD_FILE', KAFKA_SASL_PASSWORD_FILE).replace(/\r?\n$/, '')
  return { mechanism: KAFKA_SASL_MECHANISM, username: KAFKA_SASL_USERNAME, password }
}

function contentOf(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new ConfigError(`${variable} names a file that cannot be read`)
  }
}

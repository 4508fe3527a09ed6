import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * Who may import whom, as data: an allow-list, so a new edge is a decision and not an accident. The
 * table in ARCHITECTURE.md says the same in words.
 */
interface Rule {
  /** Folder or file prefix; the longest that fits a file applies. */
  readonly from: string
  /** Prefixes of this project that it may import; its own folder always. */
  readonly folders: readonly string[]
  /** Packages and node: modules. `*` allows any. */
  readonly packages: readonly string[]
}

const CONTRACTS = ['streams/contracts/', 'streams/domain/']
const EDGE = [...CONTRACTS, 'streams/platform/']
const READER = [
  ...EDGE,
  'streams/runtime/consume.ts',
  'streams/runtime/watch/position-watch.ts',
  'streams/runtime/watch/observe-positions.ts',
  'streams/log/port.ts',
  'streams/log/partitioner.ts',
  'streams/log/group-positions.ts',
]
const NATS = ['@nats-io/transport-node', '@nats-io/jetstream']

const RULES: readonly Rule[] = [
  { from: 'streams/domain/', folders: [], packages: ['node:crypto'] },
  { from: 'streams/domain/message/msisdn.ts', folders: ['streams/domain/'], packages: ['libphonenumber-js'] },
  {
    from: 'streams/domain/message/numbering-plans.ts',
    folders: [],
    packages: ['libphonenumber-js/min/metadata'],
  },
  { from: 'streams/contracts/', folders: ['streams/domain/'], packages: ['zod'] },
  {
    from: 'streams/dsl/',
    folders: ['streams/contracts/topic.ts', 'streams/contracts/question.ts'],
    packages: ['zod'],
  },
  {
    from: 'streams/testing/',
    folders: [
      'streams/dsl/',
      'streams/contracts/topic.ts',
      'streams/contracts/question.ts',
      'streams/contracts/decode.ts',
    ],
    packages: [],
  },
  {
    from: 'streams/platform/',
    folders: [],
    packages: ['zod', 'pino', 'prom-client', '@opentelemetry/*', 'node:*'],
  },
  { from: 'streams/log/', folders: ['streams/platform/'], packages: ['node:crypto'] },
  {
    from: 'streams/log/kafka.ts',
    folders: ['streams/log/', 'streams/platform/'],
    packages: [],
  },
  {
    from: 'streams/log/kafka/',
    folders: ['streams/log/', 'streams/platform/'],
    packages: ['@node-rs/crc32', 'fzstd', 'lz4-napi', 'node:*'],
  },
  {
    from: 'streams/runtime/',
    folders: [
      'streams/dsl/',
      ...CONTRACTS,
      'streams/log/port.ts',
      'streams/log/partitioner.ts',
      'streams/log/group-positions.ts',
      'streams/platform/',
    ],
    packages: ['classic-level', 'zod', 'node:*'],
  },
  {
    from: 'streams/tools/',
    folders: ['streams/dsl/', ...CONTRACTS, 'streams/log/port.ts', 'streams/platform/'],
    packages: ['node:util'],
  },
  { from: 'streams/nats/', folders: ['streams/platform/'], packages: [...NATS, 'node:fs'] },
  { from: 'topologies/', folders: [...CONTRACTS, 'streams/dsl/'], packages: ['zod'] },
  {
    from: 'topologies/main.ts',
    folders: ['topologies/', 'streams/', 'bridges/routing/', 'bridges/nats/mirror-progress.ts'],
    packages: ['node:*'],
  },
  { from: 'topologies/config.ts', folders: ['streams/', 'bridges/routing/'], packages: ['zod'] },
  { from: 'topologies/provision.ts', folders: ['topologies/', 'streams/'], packages: [] },
  {
    from: 'topologies/sms.ts',
    folders: ['topologies/', 'streams/', 'sinks/admin/open.ts'],
    packages: ['zod', 'node:*'],
  },
  {
    from: 'bridges/',
    folders: [...READER, 'streams/nats/'],
    packages: ['zod', ...NATS, '@opentelemetry/api', 'prom-client'],
  },
  {
    from: 'bridges/routing/',
    folders: EDGE,
    packages: ['zod', '@grpc/*', '@opentelemetry/api', 'prom-client', 'node:*'],
  },
  { from: 'bridges/main.ts', folders: ['bridges/', 'streams/'], packages: ['zod', 'node:*'] },
  { from: 'bridges/provision.ts', folders: ['bridges/', 'streams/'], packages: [] },
  {
    from: 'sinks/',
    folders: READER,
    packages: ['zod', 'pg', 'ioredis', 'prom-client', '@opentelemetry/api', 'node:*'],
  },
  {
    from: 'sinks/jobs/archive/',
    folders: [...EDGE, 'sinks/'],
    packages: ['zod', 'pg', '@aws-sdk/client-s3', 'hyparquet', 'hyparquet-writer', 'node:*'],
  },
  {
    from: 'sinks/admin/',
    folders: [...EDGE, 'sinks/', 'streams/tools/desks.ts'],
    packages: ['zod', 'pg', 'node:crypto'],
  },
  { from: 'sinks/main.ts', folders: ['sinks/', 'streams/'], packages: ['zod', 'node:*'] },
  {
    from: 'api/',
    folders: [...EDGE, 'streams/nats/'],
    packages: [
      'zod',
      'koa',
      '@koa/router',
      'pg',
      'ioredis',
      'jose',
      'prom-client',
      '@opentelemetry/api',
      'node:*',
      ...NATS,
    ],
  },
  {
    from: 'smpp-gateway/',
    folders: [...EDGE, 'streams/nats/'],
    packages: ['zod', 'ioredis', 'prom-client', '@opentelemetry/api', 'node:*', ...NATS],
  },
  { from: 'dev/', folders: [''], packages: ['*'] },
]

/** Imported by nobody: compositions, and everything that is not production code. */
const NEVER_IMPORTED = /(^|\/)main\.ts$|^dev\//
const TESTS = /\.(test|suite|fixture)\.ts$/
const IMPORT =
  /^\s*(?:import|export)\s(?:[^'"=;]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: root,
})
const files = tracked
  .toString()
  .split('\n')
  .filter((file) => file.includes('/') && !TESTS.test(file) && !file.endsWith('.d.ts'))

function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '')
}

/** Also where it is loaded and not imported. */
const namesKafkajs = (file: string): boolean => /['"]kafkajs\b/.test(readFileSync(join(root, file), 'utf8'))

const ruleFor = (file: string): Rule | undefined =>
  RULES.filter((rule) => file.startsWith(rule.from)).sort((a, b) => b.from.length - a.from.length)[0]

const matches = (name: string, pattern: string): boolean =>
  pattern === '*' || (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern)

const ownFolder = (rule: Rule): string => (rule.from.endsWith('/') ? rule.from : `${dirname(rule.from)}/`)

function faultsOf(file: string): string[] {
  const rule = ruleFor(file)
  if (rule === undefined) return [`${file} lies in no folder of the architecture`]
  return importsOf(file).flatMap((name) => {
    if (!name.startsWith('.'))
      return rule.packages.some((pattern) => matches(name, pattern)) ? [] : [`${file} imports ${name}`]
    const target = normalize(join(dirname(file), name))
    if (NEVER_IMPORTED.test(target) && !file.startsWith('dev/'))
      return [`${file} imports ${target}, which nobody may`]
    const allowed = [ownFolder(rule), ...rule.folders].some((prefix) => target.startsWith(prefix))
    return allowed ? [] : [`${file} imports ${target}`]
  })
}

describe('the architecture', () => {
  it('has files to look at', () => {
    expect(files.length).toBeGreaterThan(50)
    expect(importsOf('streams/contracts/topic.ts')).toContain('zod')
  })

  it('ORC-6.1 holds: every import is in the allow-list', () => {
    expect(files.flatMap(faultsOf)).toEqual([])
  })

  it('knows kafkajs in one place only', () => {
    const users = files.filter((file) => !file.startsWith('dev/') && namesKafkajs(file))
    expect(users).toEqual(['streams/log/kafka/codecs/kafkajs.ts'])
  })

  it('ORC-6.2 holds: topologies and rules read no clock and no randomness', () => {
    const pure = files.filter((file) => /^(topologies|streams\/(domain|dsl|contracts))\//.test(file))
    const impure =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|\bprocess\./
    const guilty = pure.filter(
      (file) =>
        !/^topologies\/(main|config|provision|sms)\.ts$/.test(file) &&
        impure.test(readFileSync(join(root, file), 'utf8')),
    )
    expect(guilty).toEqual([])
  })
})

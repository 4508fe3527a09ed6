import { parseArgs } from 'node:util'
import type { TopologyDescription } from '../dsl/describe.ts'
import type { LogClient, TopicSpec } from '../log/port.ts'
import type { Logger } from '../platform/logger.ts'
import type { ArchiveDesk, DeadMessageDesk, JobDesk, OutboxDesk } from './desks.ts'
import type { StorySources } from './stories.ts'

export interface Terminal {
  readonly topologies: readonly TopologyDescription[]
  /** Every topic of the platform, as it is provisioned here. */
  readonly topics: readonly TopicSpec[]
  /** Generated pages of docs/, by name. */
  readonly pages: { readonly topologies: () => string; readonly topics: () => string }
  /** Undefined outside a working copy: an image holds neither the page nor the tests. */
  readonly stories?: (() => StorySources) | undefined
  /** The text of a file; undefined when it cannot be read. */
  readonly readFile: (path: string) => string | undefined
  /** Connected only by the commands that need it, and closed by them. */
  readonly connect: () => LogClient
  /** Opened only by the commands that need them, and closed by them. */
  readonly desks: {
    readonly deadMessages: () => DeadMessageDesk
    readonly outbox: () => OutboxDesk
    readonly jobs: () => JobDesk
    readonly archive: () => ArchiveDesk
  }
  readonly now: () => number
  /** For the record of who changed what; not what is asked for, that goes to `say`. */
  readonly audit: Logger
  /** One piece of the answer, with its line breaks. */
  readonly say: (text: string) => void
  readonly complain: (text: string) => void
  /** Who calls, unless told otherwise. */
  readonly user: string
}

/** 1: it could not be done. 2: it was asked for in a wrong way. */
export type ExitCode = 0 | 1 | 2

const OPTIONS = {
  mermaid: { type: 'boolean' },
  markdown: { type: 'boolean' },
  json: { type: 'boolean' },
  payload: { type: 'boolean' },
  open: { type: 'boolean' },
  again: { type: 'boolean' },
  all: { type: 'boolean' },
  apply: { type: 'boolean' },
  topic: { type: 'string' },
  tenant: { type: 'string' },
  message: { type: 'string' },
  cause: { type: 'string' },
  limit: { type: 'string' },
  since: { type: 'string' },
  reason: { type: 'string' },
  actor: { type: 'string' },
} as const

export type Options = ReturnType<typeof parse>['values']
export type Command = (terminal: Terminal, options: Options, operand: string | undefined) => Promise<ExitCode>

/** Throws TypeError when an option is unknown or lacks its value. */
export const parse = (args: readonly string[]) =>
  parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true })

export const USAGE = `Usage: npm run -s sms -- COMMAND
  topology describe [NAME] [--mermaid | --markdown]
  topics [--markdown]
  stories [--json]
  operators check FILE
  operators ids OPERATOR
  deadletters list [--topic TOPIC] [--limit N]
  deadletters show ID [--payload]
  deadletters requeue ID --reason TEXT [--actor NAME]
  messages dead list [--open] [--tenant ID] [--message ID] [--cause CAUSE] [--limit N] [--json]
  messages dead show ID [--payload]
  messages dead replay ID --reason TEXT [--actor NAME] [--again]
  messages dead replay --all [--cause CAUSE] [--since INSTANT] [--tenant ID] [--limit N] [--apply --reason TEXT [--actor NAME]]
  outbox list [--limit N] [--json]
  outbox release ID --reason TEXT [--actor NAME]
  jobs [--json]
  jobs run NAME
  archive status [--limit N] [--json]
  archive run
  archive lifecycle
FILE holds what OPERATOR_OPTIONS does. OPERATOR is an operatorId. TOPIC is the one that a record could not be read from. CAUSE is validation,
no_route, publish_fail or max_attempts. INSTANT is as 2026-04-18T10:23:40Z. --all only says what it would do until there is --apply.
What concerns records (operators ids, deadletters) needs KAFKA_BROKERS; what concerns tables (messages, outbox, jobs, archive) needs
DATABASE_URL. The archive needs ARCHIVE_BUCKET as well.`

export function misused(terminal: Terminal, complaint: string): ExitCode {
  terminal.complain(`${complaint}\n\n${USAGE}\n`)
  return 2
}

export function failed(terminal: Terminal, complaint: string): ExitCode {
  terminal.complain(`${complaint}\n`)
  return 1
}

/** Lines of a list unless told otherwise. */
const LIST_MAX = 1000

/** Undefined: it is no limit, which has been said. */
export function limitOf(terminal: Terminal, { limit }: Options): number | undefined {
  const lines = limit === undefined ? LIST_MAX : Number(limit)
  if (Number.isInteger(lines) && lines >= 1) return lines
  misused(terminal, '--limit must be a whole number from 1.')
  return undefined
}

/** Opens what a command works on and closes it whatever comes. */
export async function closing<D extends { close(): Promise<void> }>(
  open: () => D,
  work: (desk: D) => Promise<ExitCode>,
): Promise<ExitCode> {
  const desk = open()
  try {
    return await work(desk)
  } finally {
    await desk.close()
  }
}

/** Says at most `limit` of the rows, of which one more was asked for, and whether that is all. */
export function sayRows<R>(
  terminal: Terminal,
  rows: readonly R[],
  limit: number,
  lineOf: (row: R) => string,
): void {
  for (const row of rows.slice(0, limit)) terminal.say(`${lineOf(row)}\n`)
  if (rows.length > limit) terminal.complain(`There are more than ${limit}: see --limit.\n`)
}

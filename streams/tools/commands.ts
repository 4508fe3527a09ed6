import { parseArgs } from 'node:util'
import { deadLetterTopicOf, uuid } from '../contracts/topic.ts'
import { asMermaid } from '../dsl/describe-mermaid.ts'
import { asText, type TopologyDescription } from '../dsl/describe.ts'
import type { LogClient, TopicSpec } from '../log/port.ts'
import type { Logger } from '../platform/logger.ts'
import { deadLetters, findDeadLetter, requeue } from './dead-letters.ts'
import { idsInWords, operatorIds } from './operator-ids.ts'
import { asLine, asPage } from './show-dead-letters.ts'
import { asTable } from './show-topics.ts'
import { checkProfiles } from './check-profiles.ts'
import { asJson, asText as asStories, complaintOf, storiesOf, type StorySources } from './stories.ts'

/**
 * The commands of `npm run sms`; topologies/sms.ts gives them the definitions, the log and the
 * terminal.
 */
export const USAGE = `Usage: npm run -s sms -- COMMAND
  topology describe [NAME] [--mermaid | --markdown]
  topics [--markdown]
  stories [--json]
  operators check FILE
  operators ids OPERATOR
  deadletters list [--topic TOPIC] [--limit N]
  deadletters show ID [--payload]
  deadletters requeue ID --reason TEXT [--actor NAME]
FILE holds what OPERATOR_OPTIONS does. TOPIC is the one that a record could not be read from. OPERATOR is an operatorId. What concerns dead letters or ids needs KAFKA_BROKERS.`

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
  topic: { type: 'string' },
  limit: { type: 'string' },
  reason: { type: 'string' },
  actor: { type: 'string' },
} as const

type Options = ReturnType<typeof parse>['values']
type Command = (terminal: Terminal, options: Options, operand: string | undefined) => Promise<ExitCode>

const parse = (args: readonly string[]) =>
  parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true })

/** Throws LogError when the log does not answer. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const parsed = parsedOr(args)
  if (typeof parsed === 'string') return misused(terminal, parsed)
  const [noun = '', ...others] = parsed.positionals
  const [verb, operand, ...rest] = VERBLESS.has(noun) ? [undefined, ...others] : others
  const command = COMMANDS.get(verb === undefined ? noun : `${noun} ${verb}`)
  if (command === undefined || rest.length > 0) return misused(terminal, 'No such command.')
  return command(terminal, parsed.values, operand)
}

function parsedOr(args: readonly string[]): ReturnType<typeof parse> | string {
  try {
    return parse(args)
  } catch (error) {
    if (error instanceof TypeError) return error.message
    throw error
  }
}

function misused(terminal: Terminal, complaint: string): ExitCode {
  terminal.complain(`${complaint}\n\n${USAGE}\n`)
  return 2
}

const describe: Command = (terminal, options, name) => {
  const { topologies, say, pages } = terminal
  const chosen = topologies.filter((one) => name === undefined || one.name === name)
  if (chosen.length === 0) return Promise.resolve(misused(terminal, `There is no topology ${name ?? ''}.`))
  if (options.markdown === true) say(pages.topologies())
  else say(options.mermaid === true ? asMermaid(chosen) : chosen.map(asText).join('\n'))
  return Promise.resolve(0)
}

const listTopics: Command = (terminal, options, operand) => {
  const { topics, say, pages } = terminal
  if (operand !== undefined) return Promise.resolve(misused(terminal, 'No such command.'))
  say(options.markdown === true ? pages.topics() : asTable(topics))
  return Promise.resolve(0)
}

const showStories: Command = (terminal, options, operand) => {
  if (operand !== undefined) return Promise.resolve(misused(terminal, 'No such command.'))
  const sources = terminal.stories?.()
  if (sources === undefined)
    return Promise.resolve(failed(terminal, 'There is no docs/stories.md here: run this in a working copy.'))
  const { rows, unknown } = storiesOf(sources)
  terminal.say(options.json === true ? asJson(rows) : asStories(rows))
  return Promise.resolve(unknown.length === 0 ? 0 : failed(terminal, complaintOf(unknown)))
}

const checkOperators: Command = (terminal, _options, path) => {
  if (path === undefined) return Promise.resolve(misused(terminal, 'The file of profiles is missing.'))
  const text = terminal.readFile(path)
  if (text === undefined) return Promise.resolve(failed(terminal, `${path} cannot be read.`))
  const checked = checkProfiles(text)
  if (!checked.ok) return Promise.resolve(failed(terminal, checked.faults.join('\n')))
  terminal.say(checked.words)
  return Promise.resolve(0)
}

const reportIds: Command = async (terminal, _options, operatorId) => {
  if (!uuid.safeParse(operatorId).success || operatorId === undefined)
    return misused(terminal, 'The id of the operator is missing or no lower-case uuid.')
  return connected(terminal, async (log) => {
    terminal.say(idsInWords(operatorId, await operatorIds(log, operatorId)))
    return 0
  })
}

/** Lines of a list unless told otherwise. */
const LIST_MAX = 1000

const list: Command = async (terminal, options) => {
  const limit = options.limit === undefined ? LIST_MAX : Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1)
    return misused(terminal, '--limit must be a whole number from 1.')
  return connected(terminal, async (log) => {
    let shown = 0
    for await (const found of deadLetters(log, topicsOf(terminal, options))) {
      if (shown === limit) {
        terminal.complain(`There are more than ${limit}: see --limit and --topic.\n`)
        return 0
      }
      terminal.say(`${asLine(found)}\n`)
      shown++
    }
    return 0
  })
}

const show: Command = async (terminal, options, id) => {
  if (id === undefined) return misused(terminal, 'The id of a dead letter is missing.')
  return connected(terminal, async (log) => {
    const found = await findDeadLetter(log, topicsOf(terminal, options), id)
    if (found === undefined) return failed(terminal, `There is no dead letter ${id}.`)
    terminal.say(`${asPage(found, options.payload === true)}\n`)
    return 0
  })
}

const putBack: Command = async (terminal, options, id) => {
  const { reason = '', actor = terminal.user } = options
  if (id === undefined) return misused(terminal, 'The id of a dead letter is missing.')
  if (reason.trim() === '') return misused(terminal, '--reason must say why: it is kept.')
  return connected(terminal, async (log) => {
    const found = await findDeadLetter(log, topicsOf(terminal, options), id)
    if (found === undefined) return failed(terminal, `There is no dead letter ${id}.`)
    const done = await requeue(log, found, terminal.now)
    if (!done.ok) return failed(terminal, `Not requeued: ${done.refusal}.`)
    const { sourceTopic: topic } = found.letter
    const { partition, offset } = done
    terminal.audit.info('deadletter.requeued', { deadLetterId: id, topic, partition, offset, reason, actor })
    terminal.say(`requeued as ${topic}:${partition}:${offset}\n`)
    return 0
  })
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['topology describe', describe],
  ['topics', listTopics],
  ['stories', showStories],
  ['operators check', checkOperators],
  ['operators ids', reportIds],
  ['deadletters list', list],
  ['deadletters show', show],
  ['deadletters requeue', putBack],
])

const VERBLESS: ReadonlySet<string> = new Set(['topics', 'stories'])

/** The bridges keep what NATS and they refuse in a topic of their own. */
const BRIDGE_DEAD_LETTERS = 'bridge.deadletter'

const topicsOf = ({ topologies }: Terminal, { topic }: Options): readonly string[] =>
  topic === undefined
    ? [...new Set([...topologies.flatMap(({ deadLetters: topics }) => topics), BRIDGE_DEAD_LETTERS])]
    : [deadLetterTopicOf(topic)]

async function connected(terminal: Terminal, work: (log: LogClient) => Promise<ExitCode>): Promise<ExitCode> {
  const log = terminal.connect()
  try {
    return await work(log)
  } finally {
    await log.close()
  }
}

function failed(terminal: Terminal, complaint: string): ExitCode {
  terminal.complain(`${complaint}\n`)
  return 1
}

import { deadLetterTopicOf, uuid } from '../contracts/topic.ts'
import { asMermaid } from '../dsl/describe-mermaid.ts'
import { asText } from '../dsl/describe.ts'
import { ARCHIVE_COMMANDS } from './archive-commands.ts'
import { checkProfiles } from './check-profiles.ts'
import { deadLetters, findDeadLetter, requeue } from './dead-letters.ts'
import { JOB_COMMANDS } from './job-commands.ts'
import { MESSAGE_COMMANDS } from './message-commands.ts'
import { idsInWords, operatorIds } from './operator-ids.ts'
import { OUTBOX_COMMANDS } from './outbox-commands.ts'
import { asLine, asPage } from './show-dead-letters.ts'
import { asTable } from './show-topics.ts'
import { asJson, asText as asStories, complaintOf, storiesOf } from './stories.ts'
import {
  closing,
  failed,
  limitOf,
  misused,
  parse,
  type Command,
  type ExitCode,
  type Options,
  type Terminal,
} from './terminal.ts'

/**
 * The commands of `npm run sms`; topologies/sms.ts gives them the definitions, the log, the tables
 * and the terminal.
 */

/** The longest command of all. */
const WORDS_MAX = 3

/** Throws LogError when the log does not answer. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const parsed = parsedOr(args)
  if (typeof parsed === 'string') return misused(terminal, parsed)
  const { positionals, values } = parsed
  for (let words = Math.min(WORDS_MAX, positionals.length); words > 0; words--) {
    const command = COMMANDS.get(positionals.slice(0, words).join(' '))
    if (command === undefined) continue
    const [operand, ...rest] = positionals.slice(words)
    return rest.length === 0 ? command(terminal, values, operand) : misused(terminal, 'No such command.')
  }
  return misused(terminal, 'No such command.')
}

function parsedOr(args: readonly string[]): ReturnType<typeof parse> | string {
  try {
    return parse(args)
  } catch (error) {
    if (error instanceof TypeError) return error.message
    throw error
  }
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
  if (operatorId === undefined || !uuid.safeParse(operatorId).success)
    return misused(terminal, 'The id of the operator is missing or no lower-case uuid.')
  return closing(terminal.connect, async (log) => {
    terminal.say(idsInWords(operatorId, await operatorIds(log, operatorId)))
    return 0
  })
}

const list: Command = async (terminal, options) => {
  const limit = limitOf(terminal, options)
  if (limit === undefined) return 2
  return closing(terminal.connect, async (log) => {
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
  return closing(terminal.connect, async (log) => {
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
  return closing(terminal.connect, async (log) => {
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
  ...MESSAGE_COMMANDS,
  ...OUTBOX_COMMANDS,
  ...JOB_COMMANDS,
  ...ARCHIVE_COMMANDS,
])

/** The bridges keep what NATS and they refuse in a topic of their own. */
const BRIDGE_DEAD_LETTERS = 'bridge.deadletter'

const topicsOf = ({ topologies }: Terminal, { topic }: Options): readonly string[] =>
  topic === undefined
    ? [...new Set([...topologies.flatMap(({ deadLetters: topics }) => topics), BRIDGE_DEAD_LETTERS])]
    : [deadLetterTopicOf(topic)]

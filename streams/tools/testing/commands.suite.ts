import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { encode } from '../../contracts/decode.ts'
import { TopicDeadLetter } from '../../contracts/dead-letter.ts'
import { deadLetterTopicOf, SCHEMA_VERSION } from '../../contracts/topic.ts'
import { topicDeadLetterId } from '../../domain/event-id.ts'
import { describeTopology } from '../../dsl/describe.ts'
import { headerText, type Headers, type LogClient, type OutRecord } from '../../log/port.ts'
import type { Logger, LogFields } from '../../platform/logger.ts'
import {
  counting,
  provisionCounting,
  readAll,
  startWorker,
  talliesOf,
  until,
  wordRecord,
  type Counting,
} from '../../runtime/testing/counting.suite.ts'
import { memoryStores } from '../../runtime/store/memory.ts'
import { runCommand } from '../commands.ts'
import type { ExitCode, Terminal } from '../terminal.ts'

const PARTITIONS = 2
const SECRET = 'my number is +447700900123'
const BAD = JSON.stringify({ schemaVersion: '1.0', word: SECRET })
/** Of this year: a broker refuses the far future, and retention takes the far past. */
const NOW = Date.now()
const EARLIER = NOW - 60_000

export interface CommandsSuiteOptions {
  /** Another client of the same log. */
  readonly connect: () => LogClient
  readonly unique: (name: string) => string
}

interface Run {
  readonly code: ExitCode
  readonly said: string
  readonly complained: string
  readonly audited: readonly { readonly event: string; readonly fields: LogFields | undefined }[]
}

const ORIGINAL = { partition: 1, key: 'k-1', value: BAD, headers: { 'X-Tenant-Id': 't-1' } }

/** What of a record must come back. A broker may show a header as a list of one. */
const contentOf = (record: Omit<OutRecord, 'headers'> & { readonly headers: Headers }) => ({
  at: `${record.topic}:${record.partition}`,
  timestamp: record.timestamp,
  key: record.key?.toString(),
  value: record.value?.toString(),
  headers: Object.keys(record.headers).map((name) => [name, headerText(record.headers, name)]),
})

const letter = (sourceTopic: string, sourceOffset: string, payload: string): string =>
  encode({
    schemaVersion: SCHEMA_VERSION,
    eventId: topicDeadLetterId(sourceTopic, 1, sourceOffset),
    occurredAt: '2026-04-18T10:24:00.000Z',
    sourceTopic,
    sourcePartition: 1,
    sourceOffset,
    reason: 'not_json',
    errors: [],
    payloadBase64: Buffer.from(payload).toString('base64'),
    failedAt: '2026-04-18T10:24:00.000Z',
  })

const requeueOf = (sourceTopic: string, sourceOffset: string): readonly string[] => {
  const id = topicDeadLetterId(sourceTopic, 1, sourceOffset)
  return ['deadletters', 'requeue', id, '--reason', 'x']
}

const closed = () => {
  throw new Error('no desk is open here')
}
/** For tests of commands that need no table. */
export const NO_DESKS: Terminal['desks'] = {
  deadMessages: closed,
  outbox: closed,
  jobs: closed,
  archive: closed,
}

/**
 * The commands on dead letters, as an operator types them, on whichever log. The dead letters are
 * the runtime's own.
 */
export function commandsSuite(name: string, options: CommandsSuiteOptions): void {
  describe(`deadletters on ${name}`, () => {
    let log: LogClient
    let given: Counting

    beforeEach(async () => {
      log = options.connect()
      given = counting(options.unique('dead'))
      await provisionCounting(log, given, PARTITIONS)
    })
    afterEach(() => log.close())

    const run = async (...args: readonly string[]): Promise<Run> => {
      let said = ''
      let complained = ''
      const audited: { event: string; fields: LogFields | undefined }[] = []
      const note = (event: string, fields?: LogFields): void => void audited.push({ event, fields })
      const audit: Logger = { debug: note, info: note, warn: note, error: note }
      const code = await runCommand(args, {
        topologies: [describeTopology(given.topology)],
        topics: [],
        pages: { topologies: () => 'the page', topics: () => 'the topics' },
        readFile: () => undefined,
        connect: options.connect,
        desks: NO_DESKS,
        now: () => NOW,
        audit,
        say: (text) => void (said += text),
        complain: (text) => void (complained += text),
        user: 'someone',
      })
      return { code, said, complained, audited }
    }

    const write = async (
      topic: string,
      value: string,
      partition = 1,
      headers: Headers = { 'X-Tenant-Id': 't-1' },
    ): Promise<void> => {
      const writer = log.writer()
      await writer.write([{ topic, partition, key: 'k-1', value, headers, timestamp: EARLIER }])
      await writer.close()
    }

    /**
     * Lets a real worker meet unreadable records, and answers the ids under which it put them away.
     */
    const poisoned = async (...values: readonly string[]): Promise<readonly string[]> => {
      for (const value of values) await write(given.words, value)
      return putAway(values.length, given)
    }
    const putAway = async (records: number, release: Counting): Promise<readonly string[]> => {
      const worker = await startWorker({ log, stores: memoryStores(), counting: release })
      try {
        const kept = () => readAll(log, deadLetterTopicOf(given.words), PARTITIONS)
        await until(async () => (await kept()).length === records, 'the dead letters')
        return (await kept()).map(
          (record) => TopicDeadLetter.parse(JSON.parse(record.value?.toString() ?? '')).eventId,
        )
      } finally {
        await worker.close()
      }
    }

    it('list names position, reason and fields of each, and never the payload', async () => {
      const [first, second] = await poisoned(BAD, 'no json')
      const { code, said, audited } = await run('deadletters', 'list')
      expect(code).toBe(0)
      const lines = said.trimEnd().split('\n')
      expect(lines).toHaveLength(2)
      expect(lines[0]).toContain(`${first}  ${given.words}:1:0  schema  `)
      expect(lines[0]).toContain('eventId')
      expect(lines[1]).toMatch(new RegExp(`${second}  ${given.words}:1:\\d+  not_json$`))
      expect(said).not.toContain('447700900123')
      expect(audited).toEqual([])
    })

    it('list says so when there are more than its limit', async () => {
      await poisoned(BAD, 'no json')
      const { code, said, complained } = await run('deadletters', 'list', '--limit', '1')
      expect([code, said.split('\n').length - 1]).toEqual([0, 1])
      expect(complained).toContain('more than 1')
    })

    it('list looks at one topic when told, and finds none where there is no dead-letter topic', async () => {
      await poisoned(BAD)
      expect((await run('deadletters', 'list', '--topic', given.words)).said).toContain(given.words)
      expect(await run('deadletters', 'list', '--topic', given.tallies)).toMatchObject({ code: 0, said: '' })
    })

    it('show tells all but the payload and the key, which it shows on demand', async () => {
      const [id = ''] = await poisoned(BAD)
      const { code, said } = await run('deadletters', 'show', id)
      expect(code).toBe(0)
      expect(said).toContain(`source     ${given.words}:1:0`)
      expect(said).toContain('header     X-Tenant-Id: t-1')
      expect(said).toContain(`payload    ${BAD.length} bytes`)
      expect(said).not.toContain(SECRET)
      expect(said).not.toContain('k-1')
      const shown = (await run('deadletters', 'show', id, '--payload')).said
      expect(shown).toContain(BAD)
      expect(shown).toContain('key        k-1')
    })

    it('requeue writes the original bytes, key and headers to where they came from, and says who and why', async () => {
      const [id = ''] = await poisoned(BAD)
      const { code, said, audited } = await run('deadletters', 'requeue', id, '--reason', 'schema was wrong')
      expect(code).toBe(0)
      const records = await readAll(log, given.words, PARTITIONS)
      expect(records.map(contentOf)).toEqual([
        contentOf({ ...ORIGINAL, topic: given.words, timestamp: EARLIER }),
        contentOf({ ...ORIGINAL, topic: given.words, timestamp: NOW }),
      ])
      const offset = records[1]?.offset
      expect(said).toBe(`requeued as ${given.words}:1:${offset}\n`)
      const place = { deadLetterId: id, topic: given.words, partition: 1, offset }
      const fields = { ...place, reason: 'schema was wrong', actor: 'someone' }
      expect(audited).toEqual([{ event: 'deadletter.requeued', fields }])
    })

    it('requeue lets the next release take a record that the last one could not read', async () => {
      const inputs = given.topology.inputs.map((topic) => ({ ...topic, schema: z.never() }))
      const lastRelease = { ...given, topology: { ...given.topology, inputs } }
      const writer = log.writer()
      await writer.write([wordRecord(given, 'late', 7, PARTITIONS)])
      await writer.close()
      const [id = ''] = await putAway(1, lastRelease)
      expect((await run('deadletters', 'requeue', id, '--reason', 'new release')).code).toBe(0)
      const worker = await startWorker({ log, stores: memoryStores(), counting: given })
      const tallies = async () => talliesOf(await readAll(log, given.tallies, PARTITIONS))
      await until(async () => (await tallies()).length > 0, 'the word counted')
      await worker.close()
      expect(await tallies()).toMatchObject([{ word: 'late', count: 1, last: 7 }])
    })

    it.each([
      ['without a reason', ['requeue', 'some-id'], 2, '--reason'],
      ['with a blank reason', ['requeue', 'some-id', '--reason', ' '], 2, '--reason'],
      ['without an id', ['requeue', '--reason', 'x'], 2, 'id'],
      ['of an unknown id', ['requeue', 'some-id', '--reason', 'x'], 1, 'no dead letter some-id'],
    ])('requeue %s changes nothing', async (_, args, code, complaint) => {
      const result = await run('deadletters', ...args)
      expect(result.code).toBe(code)
      expect(result.complained).toContain(complaint)
      expect(result.audited).toEqual([])
      expect(await readAll(log, given.words, PARTITIONS)).toEqual([])
    })

    it('requeue refuses a dead letter that no topology wrote, and one without a value', async () => {
      await write(deadLetterTopicOf(given.words), letter(given.tallies, '1', 'x'))
      await write(deadLetterTopicOf(given.words), letter(given.words, '2', ''))
      const foreign = await run(...requeueOf(given.tallies, '1'))
      const empty = await run(...requeueOf(given.words, '2'))
      expect([foreign.code, empty.code]).toEqual([1, 1])
      expect(foreign.complained).toContain('did not come from a topology')
      expect(empty.complained).toContain('no value')
      expect([...foreign.audited, ...empty.audited]).toEqual([])
      expect(await readAll(log, given.words, PARTITIONS)).toEqual([])
    })

    it('requeue takes the first of a dead letter that a replay has written again', async () => {
      const [id = ''] = await poisoned(BAD)
      const [kept] = await readAll(log, deadLetterTopicOf(given.words), PARTITIONS)
      const again = kept?.value?.toString() ?? ''
      await write(deadLetterTopicOf(given.words), again, 1, { 'X-Tenant-Id': 't-1', replayed: '1' })
      expect((await run('deadletters', 'requeue', id, '--reason', 'x')).code).toBe(0)
      const records = await readAll(log, given.words, PARTITIONS)
      expect(records.map(({ headers }) => headerText(headers, 'replayed'))).toEqual([undefined, undefined])
    })
  })
}

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TopicDeadLetter as DeadLetter } from '../../contracts/dead-letter.ts'
import type { LogClient } from '../../log/port.ts'
import { headerText } from '../../log/port.ts'
import { sleep } from '../../platform/backoff.ts'
import { consume, type ConsumeOptions } from '../consume.ts'
import {
  counting,
  provisionCounting,
  readAll,
  startWorker,
  talliesOf,
  until,
  wordRecord,
  type Counting,
} from './counting.suite.ts'
import { memoryStores } from '../store/memory.ts'
import type { StoreFactory } from '../store/store.ts'
import { groupOf } from '../task/names.ts'
import type { Worker } from '../worker.ts'

const PARTITIONS = 2
/** More than listeners may be added to one emitter or signal before Node warns. */
const TIMES = 15

export interface RuntimeSuiteOptions {
  readonly connect: () => Promise<LogClient>
  readonly unique: (name: string) => string
}

/** What the runtime guarantees (ARCHITECTURE.md, section 4), on whichever log. */
export function runtimeSuite(name: string, options: RuntimeSuiteOptions): void {
  describe(`the runtime on ${name}`, () => {
    let log: LogClient
    let given: Counting
    let stores: StoreFactory
    let workers: Worker[]

    beforeEach(async () => {
      log = await options.connect()
      given = counting(options.unique('counting'))
      stores = memoryStores()
      workers = []
      await provisionCounting(log, given, PARTITIONS)
    })

    afterEach(async () => {
      await Promise.all(workers.map((worker) => worker.close()))
      await log.close()
    })

    const start = async (extra: Partial<Parameters<typeof startWorker>[0]> = {}): Promise<Worker> => {
      const worker = await startWorker({ log, stores, counting: given, ...extra })
      workers.push(worker)
      return worker
    }
    const write = async (...words: readonly string[]): Promise<void> => {
      const writer = log.writer()
      await writer.write(words.map((word, n) => wordRecord(given, word, n, PARTITIONS)))
      await writer.close()
    }
    const reading = (): ConsumeOptions => ({
      log,
      group: options.unique('readers'),
      topics: [given.words],
      recordsMax: 1,
      handle: () => Promise.resolve(),
      sleep: (_, signal) => sleep(1, signal),
      random: () => 0.5,
      onFailed: () => {},
    })
    const tallies = async () => talliesOf(await readAll(log, given.tallies, PARTITIONS))
    const countsOf = async (word: string) =>
      (await tallies()).filter((tally) => tally.word === word).map((tally) => tally.count)

    it('counts each record exactly once, in the order of its partition', async () => {
      await start()
      await write('a', 'b', 'a', 'c', 'a')
      await until(async () => (await tallies()).length === 5, 'five tallies')
      expect(await countsOf('a')).toEqual([1, 2, 3])
      expect(await countsOf('b')).toEqual([1])
    })

    it('goes on from its cursor after a clean stop, with the state it had', async () => {
      const first = await start()
      await write('a', 'a')
      await until(async () => (await tallies()).length === 2, 'two tallies')
      await first.close()
      await write('a')
      await start()
      await until(async () => (await tallies()).length === 3, 'three tallies')
      expect(await countsOf('a')).toEqual([1, 2, 3])
    })

    it('restores its state from the changelog when the local store is lost', async () => {
      const first = await start()
      await write('a', 'a', 'b')
      await until(async () => (await tallies()).length === 3, 'three tallies')
      await first.close()
      let restored = 0
      await start({ stores: memoryStores(), hooks: { restored: (_, records) => (restored += records) } })
      await write('a')
      await until(async () => (await tallies()).length === 4, 'four tallies')
      expect(await countsOf('a')).toEqual([1, 2, 3])
      expect(restored).toBeGreaterThan(0)
    })

    it('reads only the tail of the changelog when the local store is there', async () => {
      const first = await start()
      await write('a', 'b', 'c')
      await until(async () => (await tallies()).length === 3, 'three tallies')
      await first.close()
      let restored = 0
      let running = 0
      await start({
        hooks: { restored: (_, records) => (restored += records), running: () => (running += 1) },
      })
      await until(() => running === PARTITIONS, 'all tasks running')
      expect(restored).toBe(0)
    })

    it('fault R15: leaves no listeners behind, however often tasks and consumers come and go', async () => {
      const warnings: Error[] = []
      const note = (warning: Error) => void warnings.push(warning)
      process.on('warning', note)
      // One that lives on, and tries in vain more often than listeners may be added to its signal.
      let attempts = 0
      const refuse = () => ((attempts += 1) > TIMES ? Promise.resolve() : Promise.reject(new Error('later')))
      const living = await consume({ ...reading(), handle: refuse })
      for (let n = 1; n <= TIMES; n += 1) {
        const worker = await start()
        const consumption = await consume(reading())
        await write('a', 'b')
        await until(async () => (await countsOf('a')).length === n, `tally ${n}`)
        await consumption.close()
        await worker.close()
      }
      await until(() => attempts > TIMES, 'more attempts than listeners')
      await living.close()
      // Warnings come in a later turn.
      await new Promise((resolve) => void setImmediate(resolve))
      process.off('warning', note)
      expect(warnings.map(({ name }) => name)).not.toContain('MaxListenersExceededWarning')
    }, 120_000)

    it('sends an unreadable record to its dead letter with its bytes, and goes on', async () => {
      await start()
      const writer = log.writer()
      const good = wordRecord(given, 'a', 0, PARTITIONS)
      const garbage = { ...good, value: Buffer.from('{"word":'), headers: { traceparent: 'kept' } }
      await writer.write([
        garbage,
        { ...good, value: '{"schemaVersion":"9.0"}' },
        { ...good, value: '{}' },
        good,
      ])
      await writer.close()
      await until(async () => (await tallies()).length === 1, 'the good record')
      const dead = await readAll(log, `${given.words}.deadletter`, PARTITIONS)
      const bodies = dead.map((record) => DeadLetter.parse(JSON.parse(record.value?.toString() ?? '')))
      expect(bodies.map((body) => body.reason)).toEqual(['not_json', 'version', 'schema'])
      expect(bodies[0]).toMatchObject({
        sourceTopic: given.words,
        payloadBase64: garbage.value.toString('base64'),
      })
      expect(headerText(dead[0]?.headers ?? {}, 'traceparent')).toBe('kept')
    })

    it('fault R3: writes a dead letter that fits, whatever the size of the record that it reports', async () => {
      await start()
      const writer = log.writer()
      const good = wordRecord(given, 'a', 0, PARTITIONS)
      const large = 'x'.repeat(850_000)
      await writer.write([{ ...good, value: large }])
      await writer.write([{ ...good, value: '{"word":', headers: { note: large } }])
      await writer.write([{ ...good, value: '{"word":', key: large }])
      await writer.write([good])
      await writer.close()
      await until(async () => (await tallies()).length === 1, 'the good record')
      const dead = await readAll(log, `${given.words}.deadletter`, PARTITIONS)
      const letters = dead.map((record) => DeadLetter.parse(JSON.parse(record.value?.toString() ?? '')))
      expect(letters.map(({ sourceOffset, truncated }) => [sourceOffset, truncated])).toEqual([
        ['0', true],
        ['1', true],
        ['2', true],
      ])
      expect(letters[0]?.payloadBytes).toBe(850_000)
      expect(Buffer.from(letters[0]?.payloadBase64 ?? '', 'base64').toString()).toBe(large.slice(0, 524_288))
      expect(dead.map((record) => [record.key?.toString(), Object.keys(record.headers)])).toEqual([
        [String(good.key), []],
        [undefined, []],
        [undefined, []],
      ])
    })

    it('stops the task loudly when a handler throws, and skips nothing', async () => {
      const failed: unknown[] = []
      const worker = await start({ hooks: { failed: (_, error) => failed.push(error) } })
      await write('boom')
      await until(() => failed.length === 1, 'the failure')
      expect(worker.ready).toBe(false)
      const at = [0, 1].map((partition) => ({ topic: given.words, partition }))
      const committed = await log.admin.committed(groupOf('test', given.topology.name), at)
      expect([...committed.values()].filter((cursor) => cursor.next > 0)).toEqual([])
    })

    it('fires a timer on a silent partition, after a restart too, once', async () => {
      const slow = counting(options.unique('slow'), 300)
      await provisionCounting(log, slow, PARTITIONS)
      given = slow
      const first = await start()
      await write('wait')
      await until(() => first.status().some((task) => task.state === 'running'), 'a running task')
      const changelog = `${slow.topology.name}-counts-changelog`
      await until(
        async () => (await readAll(log, changelog, PARTITIONS)).length > 0,
        'the row is in the changelog',
      )
      await first.close()
      await start({ stores: memoryStores() })
      await until(async () => (await tallies()).length === 1, 'the tally of the timer')
      await write('z')
      await until(async () => (await tallies()).length === 2, 'a later record')
      expect((await tallies()).map((tally) => tally.word).sort()).toEqual(['wait', 'z'])
    })

    it('answers questions before the handler runs, and hands an outage over as a value', async () => {
      let down = false
      const shade = () =>
        down
          ? Promise.reject(new Error('down'))
          : Promise.resolve({ kind: 'found' as const, value: 'red', at: 0 })
      await start({ lookups: { shade } })
      await write('ask-1')
      await until(async () => (await tallies()).length === 1, 'the answered one')
      down = true
      await write('ask-2')
      await until(async () => (await tallies()).length === 2, 'the other one')
      const shades = (await tallies()).map((tally) => `${tally.word} ${tally.shade}`).sort()
      expect(shades).toEqual(['ask-1 red', 'ask-2 unavailable'])
    })

    it('PLT-3 marks everything below its mark as replayed when its cursor is moved back', async () => {
      const first = await start()
      await write('a', 'b')
      await until(async () => (await tallies()).length === 2, 'two tallies')
      await first.close()
      await log.admin.moveCursors(
        groupOf('test', given.topology.name),
        [0, 1].map((partition) => ({ topic: given.words, partition, next: 0, metadata: '' })),
      )
      await start({ stores: memoryStores() })
      await write('c')
      await until(async () => (await tallies()).length === 5, 'two again and a new one')
      const records = await readAll(log, given.tallies, PARTITIONS)
      const replayed = records.filter((record) => headerText(record.headers, 'replayed') === '1')
      expect(
        talliesOf(replayed)
          .map((tally) => tally.word)
          .sort(),
      ).toEqual(['a', 'b'])
    })

    it('PLT-3 marks the dead letter of a record that is read again as replayed too', async () => {
      const first = await start()
      const good = wordRecord(given, 'a', 0, PARTITIONS)
      await log.writer().write([{ ...good, value: 'garbage' }])
      const dead = () => readAll(log, `${given.words}.deadletter`, PARTITIONS)
      await until(async () => (await dead()).length === 1, 'the dead letter')
      await first.close()
      const { topic, partition } = good
      await log.admin.moveCursors(groupOf('test', given.topology.name), [
        { topic, partition, next: 0, metadata: '' },
      ])
      await start()
      await until(async () => (await dead()).length === 2, 'the dead letter again')
      const [once, again] = await dead()
      expect(again?.value).toEqual(once?.value)
      expect(headerText(once?.headers ?? {}, 'replayed')).toBeUndefined()
      expect(headerText(again?.headers ?? {}, 'replayed')).toBe('1')
    })

    it('shares the partitions between two workers and hands them over without loss or double effect', async () => {
      const first = await start()
      await write('a', 'b', 'c', 'd')
      await until(async () => (await tallies()).length === 4, 'four tallies')
      const second = await start()
      await until(() => first.status().length === 1 && second.status().length === 1, 'one task each')
      await write('a', 'b', 'c', 'd')
      await until(async () => (await tallies()).length === 8, 'eight tallies')
      await first.close()
      await until(() => second.status().length === 2 && second.ready, 'both tasks at the second')
      await write('a', 'b', 'c', 'd')
      await until(async () => (await tallies()).length === 12, 'twelve tallies')
      for (const word of ['a', 'b', 'c', 'd']) expect(await countsOf(word)).toEqual([1, 2, 3])
    })
  })
}

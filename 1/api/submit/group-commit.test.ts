import { DatabaseError } from 'pg'
import { beforeEach, describe, expect, test } from 'vitest'
import { requestExample } from '../../streams/contracts/examples.ts'
import { DependencyUnavailable } from '../problem.ts'
import { groupCommit } from './group-commit.ts'
import type { Insertion, MessageStore, NewMessage } from './message-store.ts'

/** Known by their ids; nothing else of them matters here. */
const messageOf = (messageId: string): NewMessage => ({
  request: { ...requestExample, messageId },
  publication: { subject: 's', msgId: messageId, headers: {}, payload: '' },
  reply: {
    messageId,
    status: 'QUEUED',
    segmentCount: 1,
    encoding: 'GSM7',
    enqueuedAt: requestExample.enqueuedAt,
  },
  claim: undefined,
})

interface Call {
  readonly ids: readonly string[]
  readonly isGroup: boolean
  readonly end: (error?: unknown) => void
}

let calls: Call[]
let wakes: (() => void)[]
let store: MessageStore
beforeEach(() => {
  calls = []
  wakes = []
  const plain: MessageStore = {
    storedReplies: async () => new Map(),
    insert: (messages, options) =>
      new Promise((resolve, reject) => {
        const ids = messages.map(({ request }) => request.messageId)
        const answers = ids.map((id): Insertion => (id.startsWith('taken') ? 'taken' : 'stored'))
        const end = (error?: unknown) => (error === undefined ? resolve(answers) : reject(error))
        calls.push({ ids, isGroup: options?.isGroup === true, end })
      }),
  }
  store = groupCommit({ store: plain, sleep: () => new Promise((resolve) => void wakes.push(resolve)) })
})

const insert = (id: string) => store.insert([messageOf(id)])
/** Lets everything happen that does not wait for a call or the clock. */
const settled = () => new Promise((resolve) => void setImmediate(resolve))
const databaseError = (code: string) => Object.assign(new DatabaseError('x', 1, 'error'), { code })

describe('submits at the same time', () => {
  test('a message that comes alone goes at once, by itself', async () => {
    const answer = insert('a')
    await settled()
    expect(calls.map(({ ids }) => ids)).toEqual([['a']])
    calls[0]?.end()
    expect(await answer).toEqual(['stored'])
    expect(wakes).toEqual([])
  })

  test('those of one turn share a transaction, and each gets its own answer', async () => {
    const answers = Promise.all([insert('a'), insert('taken-b'), insert('c')])
    await settled()
    expect(calls.map(({ ids }) => ids)).toEqual([['a', 'taken-b', 'c']])
    calls[0]?.end()
    expect(await answers).toEqual([['stored'], ['taken'], ['stored']])
  })

  test('while two are under way others wait for the first that ends', async () => {
    void insert('a')
    await settled()
    void insert('b')
    await settled()
    void insert('c')
    await settled()
    void insert('d')
    await settled()
    expect(calls.map(({ ids }) => ids)).toEqual([['a'], ['b']])
    calls[0]?.end()
    await settled()
    expect(calls.map(({ ids }) => ids)).toEqual([['a'], ['b'], ['c', 'd']])
  })

  test('they are all taken then, up to the bound of one transaction', async () => {
    for (const id of ['a', 'b']) {
      void insert(id)
      await settled()
    }
    for (let index = 0; index < 70; index++) void insert(String(index))
    await settled()
    expect(calls).toHaveLength(2)
    calls[0]?.end()
    await settled()
    expect(calls[2]?.ids).toHaveLength(64)
    calls[1]?.end()
    await settled()
    expect(calls[3]?.ids).toEqual(['64', '65', '66', '67', '68', '69'])
  })

  test('but those that have waited long pass the ones under way, which must be stuck', async () => {
    for (const id of ['a', 'b', 'c']) {
      void insert(id)
      await settled()
    }
    wakes[0]?.()
    await settled()
    expect(calls.map(({ ids }) => ids)).toEqual([['a'], ['b'], ['c']])
  })

  test('nobody passes on behalf of one that has not waited', async () => {
    for (const id of ['a', 'b', 'c']) {
      void insert(id)
      await settled()
    }
    calls[0]?.end()
    await settled()
    void insert('d')
    await settled()
    wakes[0]?.()
    await settled()
    expect(calls.map(({ ids }) => ids)).toEqual([['a'], ['b'], ['c']])
  })

  test('no more than six transactions are under way, however many come', async () => {
    for (let round = 0; round < 20; round++) {
      void insert(`m${round}`)
      await settled()
      for (const wake of wakes.splice(0)) wake()
      await settled()
    }
    expect(calls).toHaveLength(6)
    for (const { end } of calls.splice(0)) end()
    await settled()
    expect(calls.flatMap(({ ids }) => ids)).toHaveLength(14)
  })

  test('one that has got its answer elsewhere by then is left out', async () => {
    let isAnswered = false
    for (const id of ['a', 'b']) {
      void insert(id)
      await settled()
    }
    const known = store.insert([messageOf('known')], { isAnswered: () => isAnswered })
    void insert('c')
    await settled()
    isAnswered = true
    calls[0]?.end()
    expect(await known).toEqual(['taken'])
    await settled()
    expect(calls.at(-1)?.ids).toEqual(['c'])
  })
})

describe('a group that fails', () => {
  test.each(['23505', '22001', '55P03', '40P01', '57014'])(
    'for what it holds (%s) is taken apart, and only the one at fault fails',
    async (code) => {
      const answers = Promise.allSettled([insert('a'), insert('bad'), insert('c')])
      await settled()
      expect(calls[0]?.isGroup).toBe(true)
      calls[0]?.end(databaseError(code))
      await settled()
      expect(calls.slice(1).map(({ ids, isGroup }) => [ids, isGroup])).toEqual([
        [['a'], false],
        [['bad'], false],
        [['c'], false],
      ])
      for (const { ids, end } of calls.slice(1)) end(ids[0] === 'bad' ? databaseError(code) : undefined)
      expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    },
  )

  test('is tried again by four at a time, while new ones go on in groups', async () => {
    for (let index = 0; index < 10; index++) void insert(String(index)).catch(() => undefined)
    await settled()
    calls[0]?.end(databaseError('55P03'))
    await settled()
    void insert('new')
    await settled()
    expect(calls.slice(1).map(({ ids }) => ids)).toEqual([['0'], ['1'], ['2'], ['3'], ['new']])
    calls[1]?.end()
    await settled()
    expect(calls.slice(6).map(({ ids }) => ids)).toEqual([['4']])
  })

  test('with an unknown outcome is not tried again: what may be stored must not be stored twice', async () => {
    const answers = Promise.allSettled([insert('a'), insert('b')])
    await settled()
    calls[0]?.end(new DependencyUnavailable('postgres', new Error('connection lost')))
    expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(calls).toHaveLength(1)
  })
})

test('several messages of one request, and one that replaces an expired key, pass by', async () => {
  void store.insert([messageOf('a'), messageOf('b')])
  void store.insert([messageOf('c')], { replaceExpired: true })
  await settled()
  expect(calls.map(({ ids, isGroup }) => [ids, isGroup])).toEqual([
    [['a', 'b'], false],
    [['c'], false],
  ])
})

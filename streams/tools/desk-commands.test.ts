import { beforeEach, describe, expect, it } from 'vitest'
import type { LogFields } from '../platform/logger.ts'
import { runCommand } from './commands.ts'
import type { ArchivePart, DeadMessage, DeadMessageFilter, JobState, PutAside, Replayed } from './desks.ts'

const ID = 'a28daaa7-56bd-52de-9c29-65b590fa074c'
const dead: DeadMessage = {
  deadLetterId: ID,
  messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
  tenantId: '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21',
  accountId: 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33',
  reason: 'max_attempts',
  failureReason: 'routing-engine UNAVAILABLE for +447700900123',
  attemptCount: 3,
  finalStatus: 'DEAD_LETTER',
  failedAt: '2026-04-18T10:23:47.900Z',
  replayedAt: null,
  replayedBy: null,
}
const aside: PutAside = {
  id: '7',
  tenantId: dead.tenantId,
  subject: 'sms.outbound.request',
  msgId: dead.messageId,
  attempts: 5,
  reason: 'too large',
  putAsideAt: '2026-04-18T10:23:47.900Z',
}
const states: readonly JobState[] = [
  { name: 'purge', everyMs: 86_400_000, succeededAt: null, failedAt: dead.failedAt, isOverdue: true },
  { name: 'requeue', everyMs: 3_600_000, succeededAt: dead.failedAt, failedAt: null, isOverdue: false },
]
const part: ArchivePart = {
  table: 'dlr.late_dlrs',
  month: '2026-04',
  part: 2,
  state: 'DROPPED',
  rows: 7,
  object: 's3://b/dlr/late_dlrs/2026/04/x.parquet',
  at: dead.failedAt,
}

/** Tables that answer what the test says, and remember what was asked of them. */
let tables: {
  rows: readonly DeadMessage[]
  replayed: Replayed
  isAside: boolean
  jobEnd: 'done' | 'busy' | 'unknown'
  ruled: readonly string[] | undefined
}
let asked: unknown[]
let opened: number
beforeEach(() => {
  tables = { rows: [dead], replayed: { kind: 'absent' }, isAside: true, jobEnd: 'done', ruled: [] }
  asked = []
  opened = 0
})

async function run(...args: readonly string[]) {
  let said = ''
  let complained = ''
  const audited: { event: string; fields: LogFields | undefined }[] = []
  const note = (event: string, fields?: LogFields): void => void audited.push({ event, fields })
  const close = async () => void (opened -= 1)
  const open = <D>(desk: D): D => {
    opened += 1
    return desk
  }
  const code = await runCommand(args, {
    topologies: [],
    topics: [],
    pages: { topologies: () => '', topics: () => '' },
    readFile: () => undefined,
    connect: () => {
      throw new Error('nothing to connect to')
    },
    desks: {
      deadMessages: () =>
        open({
          list: async (filter: DeadMessageFilter) => {
            asked.push(filter)
            return tables.rows
          },
          find: async (id: string) =>
            id === ID ? { message: dead, payload: { body: 'secret' } } : undefined,
          replay: async (...given: readonly unknown[]) => {
            asked.push(given)
            return tables.replayed
          },
          close,
        }),
      outbox: () =>
        open({
          list: async () => [aside],
          release: async (...given: readonly unknown[]) => {
            asked.push(given)
            return tables.isAside
          },
          close,
        }),
      jobs: () => open({ list: async () => states, run: async () => tables.jobEnd, close }),
      archive: () =>
        open({ list: async () => [part, part], applyLifecycle: async () => tables.ruled, close }),
    },
    now: () => 0,
    audit: { debug: note, info: note, warn: note, error: note },
    say: (text) => void (said += text),
    complain: (text) => void (complained += text),
    user: 'someone',
  })
  expect(opened).toBe(0)
  return { code, said, complained, audited }
}

describe('messages dead', () => {
  it('list says one line each, without numbers and texts, and that there are more', async () => {
    tables.rows = [dead, { ...dead, replayedAt: '2026-04-19T00:00:00.000Z', replayedBy: 'ann' }, dead]
    const { code, said, complained } = await run('messages', 'dead', 'list', '--limit', '2')
    expect([code, complained]).toEqual([0, 'There are more than 2: see --limit.\n'])
    expect(said.split('\n')).toEqual([
      `${dead.failedAt}  ${ID}  ${dead.messageId}  max_attempts  open`,
      `${dead.failedAt}  ${ID}  ${dead.messageId}  max_attempts  replayed 2026-04-19T00:00:00.000Z by ann`,
      '',
    ])
    expect(asked).toEqual([{ isOpen: false, limit: 3 }])
  })

  it('list asks for what was asked for, and --json is the rows', async () => {
    const args = ['--open', '--tenant', dead.tenantId, '--message', dead.messageId, '--cause', 'max_attempts']
    const { said } = await run('messages', 'dead', 'list', '--json', ...args)
    expect(JSON.parse(said)).toEqual(dead)
    expect(asked).toEqual([
      {
        isOpen: true,
        tenantId: dead.tenantId,
        messageId: dead.messageId,
        reason: 'max_attempts',
        limit: 1001,
      },
    ])
  })

  it('show keeps the payload back until it is asked for, and masks what looks like a number', async () => {
    const { code, said } = await run('messages', 'dead', 'show', ID)
    expect(code).toBe(0)
    expect(said).toContain('max_attempts (routing-engine UNAVAILABLE for [masked])')
    expect(said).not.toContain('secret')
    expect((await run('messages', 'dead', 'show', ID, '--payload')).said).toContain('secret')
    expect((await run('messages', 'dead', 'show', dead.messageId)).code).toBe(1)
  })

  it('replay leaves a log line with who and why', async () => {
    tables.replayed = { kind: 'issued', messageId: dead.messageId, seq: 6 }
    const { code, said, audited } = await run('messages', 'dead', 'replay', ID, '--reason', 'engine is back')
    expect([code, said]).toEqual([0, `replayed: message ${dead.messageId} goes on after seq 6\n`])
    expect(asked).toEqual([[ID, { reason: 'engine is back', actor: 'someone', again: false }]])
    const fields = { deadLetterId: ID, messageId: dead.messageId, reason: 'engine is back', actor: 'someone' }
    expect(audited).toEqual([{ event: 'deadletter.replayed', fields }])
  })

  it('replay a second time is a success that did nothing, and says so', async () => {
    tables.replayed = { kind: 'already', at: '2026-04-19T00:00:00.000Z', by: 'ann' }
    const { code, said, audited } = await run('messages', 'dead', 'replay', ID, '--reason', 'x')
    expect([code, audited]).toEqual([0, []])
    expect(said).toContain('already replayed at 2026-04-19T00:00:00.000Z by ann')
    await run('messages', 'dead', 'replay', ID, '--reason', 'x', '--again', '--actor', 'bob')
    expect(asked.at(-1)).toEqual([ID, { reason: 'x', actor: 'bob', again: true }])
  })

  it('replay says why not', async () => {
    tables.replayed = { kind: 'refused', refusal: 'the message has an outcome: DELIVERED' }
    const { code, complained, audited } = await run('messages', 'dead', 'replay', ID, '--reason', 'x')
    expect([code, audited]).toEqual([1, []])
    expect(complained).toBe('Not replayed: the message has an outcome: DELIVERED.\n')
    tables.replayed = { kind: 'absent' }
    expect((await run('messages', 'dead', 'replay', ID, '--reason', 'x')).code).toBe(1)
  })
})

describe('messages dead replay --all', () => {
  const all = ['messages', 'dead', 'replay', '--all']
  const issued: Replayed = { kind: 'issued', messageId: dead.messageId, seq: 6 }

  it('only says what it would do until it is told to apply it', async () => {
    tables.replayed = issued
    const since = '2026-04-18T10:00:00Z'
    const { code, said, audited } = await run(...all, '--cause', 'max_attempts', '--since', since)
    expect([code, audited]).toEqual([0, []])
    expect(said.split('\n')).toEqual([
      `${dead.failedAt}  ${ID}  max_attempts  would be replayed`,
      '1 of 1 would be replayed; --apply does it',
      '',
    ])
    expect(asked).toEqual([
      { isOpen: true, reason: 'max_attempts', since, limit: 1001 },
      [ID, { reason: '', actor: 'someone', again: false, isTrial: true }],
    ])
  })

  it('applied, it leaves a log line for each with who and why, and stops at its limit', async () => {
    tables = { ...tables, rows: [dead, dead, dead], replayed: issued }
    const { code, said, complained, audited } = await run(...all, '--apply', '--reason', 'x', '--limit', '2')
    expect([code, complained]).toEqual([0, 'There are more than 2: give the command again.\n'])
    expect(said).toContain('2 of 2 replayed\n')
    const fields = { deadLetterId: ID, messageId: dead.messageId, reason: 'x', actor: 'someone' }
    expect(audited).toEqual([1, 2].map(() => ({ event: 'deadletter.replayed', fields })))
    expect(asked.at(-1)).toEqual([ID, { reason: 'x', actor: 'someone', again: false, isTrial: false }])
  })

  it('says of each why not, goes on to the next, and fails in the end', async () => {
    tables = { ...tables, rows: [dead, dead], replayed: { kind: 'refused', refusal: 'the sink is behind' } }
    const { code, said, audited } = await run(...all, '--apply', '--reason', 'x')
    expect([code, audited]).toEqual([1, []])
    expect(said).toContain('not replayed: the sink is behind\n')
    expect(said).toContain('0 of 2 replayed\n')
  })

  it.each([
    [['--apply'], '--reason must say why'],
    [['--since', 'yesterday'], '--since must be an instant'],
    [['--since', '2026-13-40T00:00:00Z'], '--since must be an instant'],
    [['--limit', '1001'], '--limit may be at most 1000'],
    [['--again'], '--again and --message are for one'],
    [['--cause', 'whatever'], '--cause must be one of'],
  ])('%j is a misuse that touches nothing', async (args, complaint) => {
    const { code, complained } = await run(...all, ...args)
    expect([code, asked]).toEqual([2, []])
    expect(complained).toContain(complaint)
  })
})

describe('outbox', () => {
  it('lists what was put aside, and releases it with a reason', async () => {
    const { said } = await run('outbox', 'list')
    expect(said).toBe(`${aside.putAsideAt}  7  sms.outbound.request  ${aside.msgId}  too large\n`)
    expect(JSON.parse((await run('outbox', 'list', '--json')).said)).toEqual(aside)
    const { code, audited } = await run('outbox', 'release', '7', '--reason', 'limit was raised')
    expect([code, asked]).toEqual([0, [['7', { reason: 'limit was raised', actor: 'someone' }]]])
    const fields = { requestId: '7', reason: 'limit was raised', actor: 'someone' }
    expect(audited).toEqual([{ event: 'outbox.released', fields }])
    tables.isAside = false
    expect((await run('outbox', 'release', '7', '--reason', 'x')).code).toBe(1)
  })
})

describe('jobs', () => {
  it('says of each when it last succeeded and failed, and whether it is overdue', async () => {
    const { code, said } = await run('jobs')
    expect(code).toBe(0)
    const [purge = '', requeue = ''] = said.split('\n')
    expect(purge).toMatch(/^purge .* succeeded never .* failed 2026-04-18T10:23:47.900Z +OVERDUE$/)
    expect(requeue).toMatch(/^requeue .* every +60 min +succeeded 2026-04-18T10:23:47.900Z .* in time$/)
    const lines = (await run('jobs', '--json')).said.trim().split('\n')
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual(states)
  })

  it('runs one, unless another process does', async () => {
    expect(await run('jobs', 'run', 'purge')).toMatchObject({ code: 0, said: 'purge is done\n' })
    tables.jobEnd = 'busy'
    expect((await run('jobs', 'run', 'purge')).code).toBe(1)
    tables.jobEnd = 'unknown'
    const { code, complained } = await run('jobs', 'run', 'prune')
    expect(code).toBe(2)
    expect(complained).toContain('there are purge, requeue')
  })
})

it.each([
  ['a dead letter without its id', ['messages', 'dead', 'show']],
  ['what is no id', ['messages', 'dead', 'replay', 'x', '--reason', 'x']],
  ['no reason', ['messages', 'dead', 'replay', ID]],
  ['a blank reason', ['messages', 'dead', 'replay', ID, '--reason', ' ']],
  ['a tenant that is none', ['messages', 'dead', 'list', '--tenant', 'x']],
  ['an unknown cause', ['messages', 'dead', 'list', '--cause', 'bad']],
  ['a word too many', ['messages', 'dead', 'list', 'all']],
  ['half a command', ['messages', 'dead']],
  ['no limit', ['outbox', 'list', '--limit', '0']],
  ['no row', ['outbox', 'release', '-1', '--reason', 'x']],
  ['no reason to release', ['outbox', 'release', '7']],
  ['no job', ['jobs', 'run']],
])('%s is explained, and asks nothing of the tables', async (_, args) => {
  const { code, said, complained } = await run(...args)
  expect([code, said, asked]).toEqual([2, '', []])
  expect(complained).toContain('Usage: ')
})

describe('archive', () => {
  it('status says what has gone where, and that there is more', async () => {
    const { code, said, complained } = await run('archive', 'status', '--limit', '1')
    expect([code, complained]).toEqual([0, 'There are more than 1: see --limit.\n'])
    expect(said).toBe(
      `dlr.late_dlrs           2026-04 part 2  DROPPED          7 rows  ${part.at}  ${part.object}\n`,
    )
    expect(JSON.parse((await run('archive', 'status', '--json', '--limit', '1')).said)).toEqual(part)
  })

  it('run does it now, and says when there is none or when another does it', async () => {
    expect(await run('archive', 'run')).toMatchObject({ code: 0, said: 'the archive is done\n' })
    tables.jobEnd = 'busy'
    expect((await run('archive', 'run')).complained).toBe('Another process is running the archive.\n')
    tables.jobEnd = 'unknown'
    expect(await run('archive', 'run')).toMatchObject({
      code: 1,
      complained: 'There is no archive: ARCHIVE_BUCKET is not set.\n',
    })
  })

  it('DLR-022.2 lifecycle says which buckets got their rules', async () => {
    expect((await run('archive', 'lifecycle')).said).toBe('the buckets have their rules\n')
    tables.ruled = ['b']
    expect((await run('archive', 'lifecycle')).said).toBe('b has its rules now\n')
    tables.ruled = undefined
    expect((await run('archive', 'lifecycle')).code).toBe(1)
    expect((await run('archive', 'lifecycle', 'x')).code).toBe(2)
  })
})

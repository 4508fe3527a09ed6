import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { OperatorBind } from '../smpp/bind.ts'
import { UNANSWERED, type SubmitReply } from '../smpp/session.ts'
import { aborted } from '../wait.ts'
import type { Attempt } from './attempt.ts'
import { BindGroup } from './bind-group.ts'
import type { Lease } from './lease.ts'
import type { BindEnd } from './states.ts'

/** A bind that ends when the test says so. */
class FakeBind implements OperatorBind {
  readonly mode = 'TRANSCEIVER'
  readonly binds = 1
  canSubmit = true
  submits = 0
  ended: string | undefined
  reply: () => Promise<SubmitReply> = () => Promise.resolve({ kind: 'answered', status: 0, messageId: 'x' })
  readonly #end = new AbortController()
  readonly leaving = aborted(this.#end.signal, never()).then(() => undefined)
  readonly closed = this.leaving.then(() => this.ended ?? '')

  submit(): Promise<SubmitReply> {
    this.submits += 1
    return this.reply()
  }
  drop(reason: string): void {
    this.ended ??= reason
    this.canSubmit = false
    this.#end.abort()
  }
  leave(reason: string): void {
    this.drop(reason)
  }
  unbind(_drainMs: number, reason = 'unbound'): Promise<void> {
    this.drop(reason)
    return Promise.resolve()
  }
  retry(): void {}
}

const never = (): AbortSignal => new AbortController().signal
const AGREED = 3
const UNANSWERED_MS = 1_000
const REFUSED: Attempt = { kind: 'refused', status: 0x0e, fingerprint: 'f' }

/** A group with an operator, leases and a clock that the test moves. */
class Rig {
  readonly made: FakeBind[] = []
  readonly leases = new Map<number, AbortController>()
  readonly pauses: { readonly end: BindEnd; readonly count: number; readonly go: () => void }[] = []
  released = 0
  attempts = 0
  standingMax = 0
  nowMs = 10_000
  answer: () => Promise<Attempt>
  readonly first = this.#make()
  readonly group: BindGroup

  constructor(answer: () => Promise<Attempt> = () => Promise.resolve(this.bound())) {
    this.answer = answer
    this.group = new BindGroup(this.first, {
      agreed: AGREED,
      unansweredMs: UNANSWERED_MS,
      elapsed: () => this.nowMs,
      attempt: () => {
        this.attempts += 1
        return this.answer()
      },
      hold: (place, signal) => this.#hold(place, signal),
      pause: async (end, count, signal) => {
        const done = new AbortController()
        this.pauses.push({ end, count, go: () => done.abort() })
        await Promise.race([aborted(signal, done.signal), aborted(done.signal, never())])
      },
    })
  }

  bound(): Attempt {
    return { kind: 'bound', bind: this.#make() }
  }

  /** What is tried from now on waits for the answer of the test. */
  holdAttempts(): (attempt: Attempt) => void {
    const waiting: ((attempt: Attempt) => void)[] = []
    this.answer = () => new Promise((resolve) => void waiting.push(resolve))
    return (attempt) => waiting.forEach((resolve) => resolve(attempt))
  }

  get standing(): number {
    return this.made.filter(({ ended }) => ended === undefined).length
  }

  at(index: number): FakeBind {
    const bind = this.made[index]
    if (bind === undefined) throw new Error(`no bind ${index}`)
    return bind
  }

  #make(): FakeBind {
    const bind = new FakeBind()
    this.made.push(bind)
    this.standingMax = Math.max(this.standingMax, this.standing)
    return bind
  }

  /** Another process takes over each place that is lost, and keeps it. */
  async #hold(place: number, signal: AbortSignal): Promise<Lease | undefined> {
    if (this.leases.has(place)) {
      await aborted(signal, never())
      return undefined
    }
    const lost = new AbortController()
    this.leases.set(place, lost)
    const release = (): Promise<void> => {
      this.released += 1
      return Promise.resolve()
    }
    return { lost: lost.signal, isConfirmed: true, stands: () => true, release }
  }
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate()
}

async function full(): Promise<Rig> {
  const rig = new Rig()
  await settle()
  expect(rig.group.binds).toBe(AGREED)
  return rig
}

describe('[B21] binds of a group', () => {
  it('are as many as agreed, and a lost one comes back after its pause and not before', async () => {
    const rig = await full()
    rig.at(1).drop('reset')
    await settle()
    expect([rig.group.binds, rig.attempts]).toEqual([2, 2])
    rig.pauses[0]?.go()
    await settle()
    expect([rig.group.binds, rig.standingMax]).toEqual([3, AGREED])
  })

  it('a submit goes through the one with the fewest open', async () => {
    const rig = await full()
    rig.made.forEach((bind) => (bind.reply = () => new Promise(() => {})))
    for (let turn = 0; turn < 6; turn += 1) void rig.group.submit({})
    expect(rig.made.map(({ submits }) => submits)).toEqual([2, 2, 2])
  })

  it('end together when the last one is lost, and each place is given up when its bind is closed', async () => {
    const rig = await full()
    rig.made.forEach((bind) => bind.drop('reset'))
    expect(await rig.group.closed).toBe('reset')
    expect([rig.standing, rig.released]).toEqual([0, 2])
  })

  it.each([0, 1, 2, 3, 4, 5, 6])(
    'one that is bound %i turns before the group leaves does not stay',
    async (turns) => {
      const rig = await full()
      const bind = rig.holdAttempts()
      rig.at(2).drop('reset')
      await settle()
      rig.pauses[0]?.go()
      await settle()
      bind(rig.bound())
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      rig.group.leave('paused')
      await rig.group.closed
      expect(rig.standing).toBe(0)
    },
  )

  it('one that is bound after the group has left does not stay', async () => {
    const rig = await full()
    const bind = rig.holdAttempts()
    rig.at(2).drop('reset')
    await settle()
    rig.pauses[0]?.go()
    await settle()
    rig.group.leave('paused')
    await settle()
    bind(rig.bound())
    expect(await rig.group.closed).toBe('paused')
    expect(rig.standing).toBe(0)
  })

  it('a place whose lease is lost is left at once, the others stay', async () => {
    const rig = await full()
    rig.leases.get(1)?.abort()
    await settle()
    expect([rig.at(1).ended, rig.group.binds, rig.attempts]).toEqual(['unbound', 2, 2])
    await rig.group.unbind(0)
    expect(rig.standing).toBe(0)
  })

  it('one that is refused as too many waits longer each time, while the others carry', async () => {
    const rig = new Rig(() => Promise.resolve({ kind: 'failed', reason: 'bind answered 0x0d' }))
    await settle()
    expect([rig.attempts, rig.group.canSubmit]).toEqual([2, true])
    rig.pauses.forEach(({ go }) => go())
    await settle()
    expect(rig.pauses.map(({ count }) => count)).toEqual([1, 1, 2, 2])
  })
})

describe('[B14] credentials that are refused to a group', () => {
  it('are tried once, not once for each place, until there are others', async () => {
    const rig = new Rig(() => Promise.resolve(REFUSED))
    await settle()
    expect([rig.attempts, rig.group.binds]).toEqual([1, 1])
    rig.answer = () => Promise.resolve(rig.bound())
    rig.pauses[0]?.go()
    await settle()
    expect([rig.attempts, rig.group.binds]).toEqual([3, AGREED])
  })

  it('[AD5] or until somebody asks for it', async () => {
    const rig = new Rig(() => Promise.resolve(REFUSED))
    await settle()
    rig.answer = () => Promise.resolve(rig.bound())
    rig.group.retry()
    await settle()
    expect(rig.group.binds).toBe(AGREED)
  })

  it('do not keep the group from its end', async () => {
    const rig = new Rig(() => Promise.resolve(REFUSED))
    await settle()
    rig.first.drop('reset')
    expect(await rig.group.closed).toBe('reset')
  })
})

describe('[B18] submits that a group leaves unanswered', () => {
  it('end all binds when none has had an answer for so long', async () => {
    const rig = await full()
    await rig.group.submit({})
    rig.nowMs += UNANSWERED_MS
    rig.at(2).drop(UNANSWERED)
    expect(await rig.group.closed).toBe(UNANSWERED)
    expect(rig.standing).toBe(0)
  })

  it('end one bind while another is answered, if only late, and put it off for longer', async () => {
    const rig = await full()
    const late = Promise.resolve({ kind: 'answered', status: 0, messageId: 'x' } as const)
    rig.made.forEach((bind) => {
      bind.reply = () => Promise.resolve({ kind: 'in_doubt', reason: 'timeout', late })
    })
    for (const count of [1, 2]) {
      await rig.group.submit({})
      await settle()
      rig.nowMs += UNANSWERED_MS - 1
      rig.made.at(-1)?.drop(UNANSWERED)
      await settle()
      expect([rig.group.binds, rig.pauses.at(-1)?.count]).toEqual([2, count])
      rig.pauses.at(-1)?.go()
      await settle()
    }
  })
})

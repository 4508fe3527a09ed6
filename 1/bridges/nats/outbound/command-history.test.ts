import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import { LogError } from '../../../streams/log/port.ts'
import { AT, Commands, GROUP, type Owner } from '../testing/commands.suite.ts'
import type { Fate } from '../testing/command-stream.suite.ts'
import { StaleOwnership } from './command-partition.ts'
import { PublishError, SubjectMoved } from './publish.ts'

type Fault =
  | 'none'
  | 'beforeCommit'
  | 'afterCommitBeforeReply'
  | 'commitRefused'
  | 'commitLate'
  | 'recordsRefused'

/** What may happen to a partition of commands, one after the other. */
type Happening =
  | { readonly kind: 'write'; readonly count: number }
  | {
      readonly kind: 'handle'
      readonly bridge: number
      readonly size: number
      readonly fates: readonly Fate[]
    }
  | { readonly kind: 'commit'; readonly bridge: number; readonly fault: Fault }
  | { readonly kind: 'assign'; readonly bridge: number }
  | { readonly kind: 'wait'; readonly minutes: number }
  | { readonly kind: 'reset' }
  | { readonly kind: 'let through' }
  | { readonly kind: 'compact' }

const bridge = fc.nat(1)
const fates = fc.array(fc.constantFrom<Fate>('stored', 'stored', 'lost', 'reply lost', 'late'), {
  maxLength: 6,
})
const fault = fc.constantFrom<Fault>(
  'none',
  'none',
  'beforeCommit',
  'afterCommitBeforeReply',
  'commitRefused',
  'commitLate',
  'recordsRefused',
)
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('handle' as const), bridge, size: fc.integer({ min: 1, max: 5 }), fates }),
  fc.record({ kind: fc.constant('handle' as const), bridge, size: fc.integer({ min: 1, max: 5 }), fates }),
  fc.record({ kind: fc.constant('commit' as const), bridge, fault }),
  fc.record({ kind: fc.constant('commit' as const), bridge, fault }),
  fc.record({ kind: fc.constant('assign' as const), bridge }),
  fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(0.1, 11, 600) }),
  fc.record({ kind: fc.constant('reset' as const) }),
  fc.record({ kind: fc.constant('let through' as const) }),
  fc.record({ kind: fc.constant('compact' as const) }),
)

/**
 * A member as `consume` runs it: open at an assignment, then a batch at a time from the cursor,
 * which moves after any number of them.
 */
class Member {
  readonly #commands: Commands
  readonly #owner: Owner
  #isOpen = false
  #next = 0
  #batch: Awaited<ReturnType<Commands['batch']>> | undefined
  #hasMoved = false

  constructor(commands: Commands, owner: Owner) {
    this.#commands = commands
    this.#owner = owner
  }

  async assign(): Promise<void> {
    this.#shut()
    this.#isOpen = await this.#survives(() => this.#owner.partition.open())
    if (this.#isOpen) this.#next = await this.#commands.cursor()
  }

  async handle(size: number): Promise<void> {
    if (!this.#isOpen) return
    this.#batch ??= await this.#commands.batch(this.#next, this.#next + size)
    const batch = this.#batch
    if (batch.records.length > 0 && !(await this.#survives(() => this.#owner.partition.handle(batch)))) return
    this.#batch = undefined
    if (batch.records.length === 0) return
    this.#owner.partition.done(batch)
    this.#next = batch.next
    this.#hasMoved = true
  }

  async commit(): Promise<void> {
    if (!this.#isOpen || !this.#hasMoved) return
    if (await this.#survives(() => this.#owner.move(this.#next))) this.#hasMoved = false
  }

  async #survives(step: () => Promise<void>): Promise<boolean> {
    try {
      await step()
      return true
    } catch (error) {
      const isKnown = [LogError, PublishError, StaleOwnership, SubjectMoved].some(
        (kind) => error instanceof kind,
      )
      if (!isKnown) throw error
      if (error instanceof LogError && error.code !== 'retriable') this.#shut()
      return false
    }
  }

  #shut(): void {
    this.#isOpen = false
    this.#batch = undefined
    this.#hasMoved = false
  }
}

/** Two bridges, one of which has the partition at the beginning. */
class World {
  readonly commands: Commands
  readonly #faults: MemoryFaults
  readonly #members: readonly [Member, Member]

  private constructor(commands: Commands, faults: MemoryFaults) {
    this.commands = commands
    this.#faults = faults
    const member = (): Member => new Member(commands, commands.unopened())
    this.#members = [member(), member()]
  }

  static async begin(): Promise<World> {
    const faults: MemoryFaults = {}
    const world = new World(await Commands.begin(faults), faults)
    await world.#members[0].assign()
    return world
  }

  async happens(one: Happening): Promise<void> {
    const { commands } = this
    if (one.kind === 'write') return commands.write(one.count, 3)
    if (one.kind === 'assign') return this.#member(one.bridge).assign()
    if (one.kind === 'handle') return this.#handle(one.bridge, one.size, one.fates)
    if (one.kind === 'commit') return this.#commit(one.bridge, one.fault)
    if (one.kind === 'reset') return commands.log.admin.moveCursors(GROUP, [{ ...AT, next: 0, metadata: '' }])
    if (one.kind === 'wait') commands.nowMs += one.minutes * 60_000
    else if (one.kind === 'let through') commands.stream.letThrough()
    else commands.log.compact('bridge.marks')
  }

  /** Long enough for one bridge alone to publish all that was written. */
  async settles(): Promise<void> {
    await this.#members[0].assign()
    for (let turn = 0; turn < 60; turn += 1) {
      await this.#members[0].handle(5)
      await this.#members[0].commit()
    }
    this.commands.stream.letThrough()
  }

  #member(index: number): Member {
    return this.#members[index === 0 ? 0 : 1]
  }

  async #handle(index: number, size: number, script: readonly Fate[]): Promise<void> {
    this.commands.stream.script(script)
    await this.#member(index).handle(size)
    this.commands.stream.script([])
  }

  async #commit(index: number, fault: Fault): Promise<void> {
    if (fault !== 'none') this.#faults[fault] = () => true
    await this.#member(index).commit()
    if (fault !== 'none') delete this.#faults[fault]
  }
}

describe('[P4] [P7] fault R6: whatever happens to two bridges, the log and NATS', () => {
  test('each command is in the stream once, though the window of NATS has long ended', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(happening, { minLength: 10, maxLength: 60, size: 'max' }),
        async (happenings) => {
          const world = await World.begin()
          for (const one of happenings) await world.happens(one)
          await world.settles()
          const { ids } = world.commands.stream
          expect(new Set(ids).size).toBe(ids.length)
          expect(ids).toHaveLength((await world.commands.records()).length)
        },
      ),
      { numRuns: 300 },
    )
  }, 120_000)
})

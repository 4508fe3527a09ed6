import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { listRunFolders, stackRoot } from '../../stack/run-folder.ts'

/** Processor time as Linux counts it (proc(5)), of the machine and of each process of ours. */
export interface MachineInstant {
  readonly atMs: number
  readonly busyTicks: number
  readonly totalTicks: number
  /** By the name under which the stack or the platform started it, children included. */
  readonly ticksOf: ReadonlyMap<string, number>
}

export interface MachineFigures {
  readonly elapsedMs: number
  /** Of all cores, whoever used them. */
  readonly machineBusyShare: number
  /** Of all cores, used by what belongs to this run. */
  readonly platformBusyShare: number
  readonly cpuMs: ReadonlyMap<string, number>
}

/** USER_HZ, the unit of /proc on every architecture that Node runs on. */
const TICK_MS = 10
/** The load, and the main program around it. */
const SELF = 'bench'

/** `more` names processes that were not started by the stack or the platform, by their pids. */
export function machineInstant(more: ReadonlyMap<number, string> = new Map()): MachineInstant {
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softIrq = 0, steal = 0] = cpuLine()
  const busyTicks = user + nice + system + irq + softIrq + steal
  return {
    atMs: performance.now(),
    busyTicks,
    totalTicks: busyTicks + idle + wait,
    ticksOf: ticksByName(processes(), new Map([...ownNames(), ...more])),
  }
}

export function machineBetween(before: MachineInstant, after: MachineInstant): MachineFigures {
  const totalTicks = after.totalTicks - before.totalTicks
  const ticks = new Map(
    [...after.ticksOf].map(([name, count]) => [name, count - (before.ticksOf.get(name) ?? 0)]),
  )
  const own = [...ticks.values()].reduce((sum, count) => sum + count, 0)
  return {
    elapsedMs: after.atMs - before.atMs,
    machineBusyShare: (after.busyTicks - before.busyTicks) / totalTicks,
    platformBusyShare: own / totalTicks,
    cpuMs: new Map([...ticks].map(([name, count]) => [name, count * TICK_MS])),
  }
}

const cpuLine = (): readonly number[] =>
  (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).slice(1).map(Number)

export interface ProcessTicks {
  readonly parent: number
  readonly ticks: number
}

function processes(): ReadonlyMap<number, ProcessTicks> {
  const found = new Map<number, ProcessTicks>()
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(name) : undefined
    if (stat !== undefined) found.set(Number(name), stat)
  }
  return found
}

function statOf(pid: string): ProcessTicks | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    // It has ended since the folder was listed.
    return undefined
  }
}

/** The command may hold spaces and brackets, so fields are counted from its end. */
export function parseStat(stat: string): ProcessTicks {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
}

const Record = z.object({ pid: z.number() })
const RECORD = '.record.json'

/** By pid: what this process or the one around it has started, and the two themselves. */
function ownNames(): ReadonlyMap<number, string> {
  const own = listRunFolders(stackRoot).filter(({ owner }) => [process.pid, process.ppid].includes(owner.pid))
  const started = own.flatMap(({ path }) =>
    readdirSync(path)
      .filter((name) => name.endsWith(RECORD))
      .flatMap((name): [number, string][] => {
        const record = Record.safeParse(JSON.parse(readFileSync(join(path, name), 'utf8')))
        return record.success ? [[record.data.pid, name.slice(0, -RECORD.length)]] : []
      }),
  )
  return new Map([
    ...started,
    [process.pid, SELF],
    ...own.map(({ owner }): [number, string] => [owner.pid, SELF]),
  ])
}

/** A process without a name counts for the nearest one above it that has one. */
export function ticksByName(
  all: ReadonlyMap<number, ProcessTicks>,
  names: ReadonlyMap<number, string>,
): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const [pid, { ticks }] of all) {
    let at: number | undefined = pid
    while (at !== undefined && !names.has(at)) at = all.get(at)?.parent
    const name = at === undefined ? undefined : names.get(at)
    if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + ticks)
  }
  return sums
}

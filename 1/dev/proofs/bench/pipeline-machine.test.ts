import { describe, expect, it } from 'vitest'
import { machineBetween, parseStat, ticksByName } from './pipeline-machine.ts'

describe('the processor time of a run', () => {
  it('is read from the line of a process whose command has spaces and brackets', () => {
    const fields = ['S', '17', ...Array<string>(9).fill('0'), '120', '30', '5', '5']
    expect(parseStat(`42 (tmux: (a) b) ${fields.join(' ')}`)).toEqual({ parent: 17, ticks: 150 })
  })

  it('counts a process for the nearest one above it that has a name, and strangers for nobody', () => {
    const all = new Map([
      [1, { parent: 0, ticks: 1000 }],
      [10, { parent: 1, ticks: 1 }],
      [11, { parent: 10, ticks: 20 }],
      [12, { parent: 11, ticks: 300 }],
      [13, { parent: 1, ticks: 4000 }],
    ])
    const names = new Map([
      [10, 'bench'],
      [11, 'postgres'],
    ])
    expect(Object.fromEntries(ticksByName(all, names))).toEqual({ bench: 1, postgres: 320 })
  })

  it('tells our share of the machine from that of everybody', () => {
    const before = { atMs: 0, busyTicks: 100, totalTicks: 1000, ticksOf: new Map([['kafka', 5]]) }
    const after = {
      atMs: 500,
      busyTicks: 160,
      totalTicks: 1100,
      ticksOf: new Map([
        ['kafka', 25],
        ['api', 10],
      ]),
    }
    expect(machineBetween(before, after)).toEqual({
      elapsedMs: 500,
      machineBusyShare: 0.6,
      platformBusyShare: 0.3,
      cpuMs: new Map([
        ['kafka', 200],
        ['api', 100],
      ]),
    })
  })
})

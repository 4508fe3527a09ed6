import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Faults, ScenarioFile } from './faults.ts'
import { COMMAND } from './pdu.ts'

const submits = (faults: Faults, count: number): readonly (string | undefined)[] =>
  Array.from({ length: count }, () => faults.next(COMMAND.submit_sm)?.kind)

describe('the faults of a scenario', () => {
  test('come after some requests of their kind, at every so many, so many times', () => {
    const faults = new Faults()
    faults.set([{ on: 'submit_sm', after: 2, every: 3, times: 2, do: { kind: 'silence' } }])
    faults.next(COMMAND.enquire_link)
    const kinds = submits(faults, 12).map((kind) => kind ?? '-')
    expect(kinds.join(' ')).toBe('- - - - silence - - silence - - - -')
  })

  test('of several that are due the first one counts, and the other waits for its next turn', () => {
    const faults = new Faults()
    faults.set([
      { on: 'submit_sm', times: 1, do: { kind: 'twice' } },
      { on: 'submit_sm', do: { kind: 'reset' } },
    ])
    expect(submits(faults, 3)).toEqual(['twice', 'reset', 'reset'])
    faults.set([])
    expect(submits(faults, 1)).toEqual([undefined])
  })

  test('every way to bind is a bind', () => {
    const faults = new Faults()
    faults.set([{ on: 'bind', do: { kind: 'status', status: '0x0d' } }])
    for (const command of [COMMAND.bind_receiver, COMMAND.bind_transmitter, COMMAND.bind_transceiver])
      expect(faults.next(command)).toEqual({ kind: 'status', status: 13 })
  })
})

describe('docs/simulator.md', () => {
  test('shows scenarios that the simulator takes', () => {
    const page = readFileSync('docs/simulator.md', 'utf8')
    const examples = [...page.matchAll(/```json\n([^`]*)```/g)].map(([, text]) => text ?? '')
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) expect(ScenarioFile.safeParse(JSON.parse(example)).success).toBe(true)
  })

  test('names every act', () => {
    const page = readFileSync('docs/simulator.md', 'utf8')
    const acts = [
      'silence',
      'status',
      'nack',
      'twice',
      'late',
      'drip',
      'reset',
      'hang-up',
      'unbind',
      'octets',
    ]
    expect(acts.filter((act) => !page.includes(`\`${act}\``))).toEqual([])
  })
})

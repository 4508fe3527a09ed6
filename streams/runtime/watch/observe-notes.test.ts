import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../platform/logger.ts'
import { Metrics } from '../../platform/metrics.ts'
import { observeNotes, type NoteRules } from './observe-notes.ts'
import { FRESH_MS } from './recent-figures.ts'
import { WINDOW_MS } from './recent-share.ts'

const RULES: NoteRules = {
  whole: { share: { name: 'odd_rate', help: 'Percent', side: 'whole' } },
  part: { share: { name: 'odd_rate', help: 'Percent', side: 'part' } },
  level: { gauges: [{ name: 'level_percent', help: 'Level', labels: ['operator_id'], of: 'percent' }] },
  done: { age: { name: 'done_seconds', help: 'Age', labels: ['dlr_status'] } },
}
const TASK = { topology: 't', partition: 0 }

function world() {
  const time = { nowMs: 1_000_000 }
  const metrics = new Metrics()
  const noted = observeNotes(silentLogger, metrics, RULES, () => time.nowMs)
  const note = (event: string, fields = {}, replayed = false) =>
    noted(TASK, [{ event, fields, at: time.nowMs - 200, replayed, trace: undefined }])
  return { time, metrics, note }
}

describe('observeNotes', () => {
  it('gauges how many percent of the last five minutes are parts, and forgets what is older', async () => {
    const { time, metrics, note } = world()
    const rate = () => metrics.registry.metrics()
    expect(await rate()).toContain('odd_rate 0\n')
    for (let n = 0; n < 8; n += 1) note('whole')
    note('part')
    expect(await rate()).toContain('odd_rate 12.5\n')
    time.nowMs += WINDOW_MS / 2
    for (let n = 0; n < 2; n += 1) note('whole')
    expect(await rate()).toContain('odd_rate 10\n')
    time.nowMs += WINDOW_MS / 2
    expect(await rate()).toContain('odd_rate 0\n')
  })

  it('counts nothing of a replay', async () => {
    const { metrics, note } = world()
    note('whole')
    note('part', {}, true)
    note('done', { dlrStatus: 'DELIVERED' }, true)
    expect(await metrics.registry.metrics()).toContain('odd_rate 0\n')
    expect(await metrics.registry.metrics()).not.toContain('done_seconds_count')
  })

  it('shows what is so at present: not what is unknown, nor what nobody has told for long', async () => {
    const { time, metrics, note } = world()
    const shown = async () =>
      [...(await metrics.registry.metrics()).matchAll(/^level_percent\{operator_id="(\w+)"\} (\S+)$/gm)].map(
        ([, operator, value]) => [operator, value],
      )
    note('level', { operatorId: 'a', percent: 0 })
    note('level', { operatorId: 'b', percent: 7.5 })
    expect(await shown()).toEqual([
      ['a', '0'],
      ['b', '7.5'],
    ])
    note('level', { operatorId: 'b', percent: undefined })
    expect(await shown()).toEqual([['a', '0']])
    note('level', { operatorId: 'c', percent: 1 }, true)
    time.nowMs += FRESH_MS - 1
    note('level', { operatorId: 'b', percent: 2 })
    time.nowMs += 1
    expect(await shown()).toEqual([['b', '2']])
  })

  it('measures from the record to the commit', async () => {
    const { metrics, note } = world()
    note('done', { dlrStatus: 'DELIVERED' })
    const text = await metrics.registry.metrics()
    expect(text).toContain('done_seconds_sum{dlr_status="DELIVERED"} 0.2\n')
  })
})

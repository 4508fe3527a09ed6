import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXAMPLE_TIME, insertMessage, openScene, sqlState, type Scene } from '../testing/scene.suite.ts'
import { ensurePartitions, monthsAround, partitionMonthsAhead } from './partitions.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene('partitions')
})
afterAll(() => scene.close())

const ensure = async (nowMs: number, role = 'migrator') => {
  const client = await scene.as(role).connect()
  try {
    return await ensurePartitions({ client, now: () => nowMs, monthsAhead: 3, monthsBack: 1 })
  } finally {
    client.release()
  }
}

describe('monthly partitions', () => {
  it('are months of UTC, also around the turn of a year', () => {
    const months = monthsAround(Date.parse('2026-12-31T23:59:59.999Z'), 1, 2)
    expect(months).toEqual([
      { suffix: '202611', from: '2026-11-01', until: '2026-12-01' },
      { suffix: '202612', from: '2026-12-01', until: '2027-01-01' },
      { suffix: '202701', from: '2027-01-01', until: '2027-02-01' },
      { suffix: '202702', from: '2027-02-01', until: '2027-03-01' },
    ])
  })

  it('DAT-2 exist for every partitioned table from the month before to three ahead, and none is a default', async () => {
    const partitions = await scene.rows(
      `SELECT i.inhparent::regclass::text AS parent,
         string_agg(substring(c.relname FROM '......$'), ' ' ORDER BY c.relname) AS months,
         bool_or(pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') AS "hasDefault"
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r' GROUP BY 1 ORDER BY 1`,
    )
    const months = '202603 202604 202605 202606 202607'
    expect(partitions).toEqual(
      [
        'dlr.delivery_receipts',
        'dlr.late_dlrs',
        'dlr.orphan_dlrs',
        'dlr.quarantined_dlrs',
        'dlr.segment_dlrs',
        'orch.sms_messages',
      ].map((parent) => ({ parent, months, hasDefault: false })),
    )
  })

  it('are made once, also by several jobs at a time', async () => {
    expect(await ensure(EXAMPLE_TIME)).toEqual([])
    const nextMonth = Date.parse('2026-05-01T00:00:00.000Z')
    const made = await Promise.all([ensure(nextMonth), ensure(nextMonth), ensure(nextMonth, '')])
    expect(made.flat().toSorted()).toEqual([
      'dlr.delivery_receipts_202608',
      'dlr.late_dlrs_202608',
      'dlr.orphan_dlrs_202608',
      'dlr.quarantined_dlrs_202608',
      'dlr.segment_dlrs_202608',
      'orch.sms_messages_202608',
    ])
  })

  it('are not made anew once the archive has taken the month', async () => {
    await scene.admin.query(`INSERT INTO orch.archive_runs (table_name, month, state)
      VALUES ('dlr.orphan_dlrs', '2026-09-01', 'DROPPED')`)
    const made = await ensure(Date.parse('2026-06-01T00:00:00.000Z'))
    expect(made).toContain('dlr.late_dlrs_202609')
    expect(made).not.toContain('dlr.orphan_dlrs_202609')
  })

  it('are counted ahead of the current month up to the first gap', async () => {
    const client = await scene.admin.connect()
    try {
      const ahead = await partitionMonthsAhead(client, EXAMPLE_TIME)
      expect(ahead.get('orch.sms_messages')).toBe(5)
      expect(ahead.get('dlr.orphan_dlrs')).toBe(4)
    } finally {
      client.release()
    }
  })

  it('DAT-5 take rows through the parent only', async () => {
    await insertMessage(scene)
    expect(await scene.rows('SELECT count(*)::int AS count FROM orch.sms_messages_202604')).toEqual([
      { count: 1 },
    ])
    expect(await sqlState(scene.as('orch_svc').query('SELECT FROM orch.sms_messages_202604'))).toBe('42501')
  })
})

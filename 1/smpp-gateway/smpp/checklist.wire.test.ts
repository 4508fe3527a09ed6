import { afterEach, describe, expect, it } from 'vitest'
import { encodePdu } from './pdu.ts'
import { bind, boundTo, closePeers, deliver, Peer, sessionWith, SUBMIT } from './testing/peer.suite.ts'

afterEach(closePeers)

/** SMPP 3.4, Issue 1.2, row by row: what the session must do, and in which section that stands. */

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** Alive: it still answers, and it still hears. */
async function expectAlive({ peer }: { readonly peer: Peer }): Promise<void> {
  const before = peer.heardOf('enquire_link_resp').length
  peer.send(encodePdu('enquire_link', 0x4711))
  await expect.poll(() => peer.heardOf('enquire_link_resp').length).toBe(before + 1)
}

describe('SMPP 3.4 section 2.2: session states', () => {
  it('4.1.5: bind_transceiver carries system_id, password and interface_version 0x34', async () => {
    const { peer } = await boundTo()
    expect(peer.heardOf('bind_transceiver')).toMatchObject([
      { fields: { system_id: 'us', password: 'secret', interface_version: 0x34 } },
    ])
  })

  it('4.1.7: outbind is an invitation that is not followed, and does no harm', async () => {
    const link = await boundTo()
    link.peer.send(encodePdu('outbind', 9, { system_id: 'them' }))
    await expectAlive(link)
    expect([link.peer.connections, link.peer.unread]).toEqual([1, []])
  })

  it('4.2: unbind is answered, then the line is closed', async () => {
    const { peer, reasons } = await boundTo()
    peer.send(encodePdu('unbind', 12))
    await expect.poll(() => reasons).toEqual(['unbound by the operator'])
    expect(peer.heardOf('unbind_resp')).toMatchObject([{ sequence: 12, status: 0 }])
  })

  it('4.2: our unbind ends the session also when nobody answers it', async () => {
    const { peer, session, reasons } = await boundTo(undefined, { unbindMs: 100 })
    await session.unbind(100)
    await expect.poll(() => reasons).toEqual(['unbound'])
    expect(peer.heardOf('unbind')).toHaveLength(1)
  })
})

describe('SMPP 3.4 section 3.2: header and framing', () => {
  it.each([0, 4, 15, 70_001, 0x7fffffff, 0xf0000011])(
    'a command_length of %i is answered generic_nack 0x02 with sequence 0, and the line is closed',
    async (length) => {
      const { peer, reasons } = await boundTo()
      const header = Buffer.alloc(16)
      header.writeUInt32BE(length)
      peer.send(header)
      await expect.poll(() => reasons).toEqual(['invalid command_length'])
      expect(peer.heardOf('generic_nack')).toMatchObject([{ sequence: 0, status: 2 }])
    },
  )

  it('PDUs are found however their bytes arrive, one by one or all in one segment', async () => {
    const link = await boundTo()
    const all = Buffer.concat([deliver(1), encodePdu('enquire_link', 2), deliver(3)])
    for (const octet of all) link.peer.send(Buffer.of(octet))
    await expect.poll(() => link.taken.length).toBe(2)
    link.peer.send(all)
    await expect.poll(() => link.taken.length).toBe(4)
  })

  it('a line that ends within a PDU is closed, and what was open is in doubt', async () => {
    const { peer, session, reasons } = await boundTo()
    const open = session.submit(SUBMIT)
    await expect.poll(() => peer.heardOf('submit_sm').length).toBe(1)
    peer.send(deliver(1).subarray(0, 20))
    peer.hangUp()
    expect(await open).toMatchObject({ kind: 'in_doubt', reason: 'disconnect' })
    expect(reasons).toHaveLength(1)
  })

  it('RST within a PDU is no more than a closed line', async () => {
    const { peer, reasons } = await boundTo()
    peer.send(deliver(1).subarray(0, 20))
    peer.hangUp(true)
    await expect.poll(() => reasons.length).toBe(1)
  })

  it.each([0, 1, 0x7fffffff, 0x806a179b, 0xa2859f22, 0xffffffff])(
    '5.1.4: a sequence_number of ours is any number, and %i comes back as it was',
    async (sequence) => {
      const { peer } = await boundTo()
      peer.send(deliver(sequence))
      await expect.poll(() => peer.heardOf('deliver_sm_resp')).toMatchObject([{ sequence, status: 0 }])
    },
  )
})

describe('SMPP 3.4 section 3.3: what is not known', () => {
  it('5.3: a TLV that nobody knows is passed over', async () => {
    const { peer, taken } = await boundTo()
    const frame = Buffer.concat([deliver(5), hex('1400 0003 414243'), hex('0427 0001 02')])
    frame.writeUInt32BE(frame.length)
    peer.send(frame)
    await expect.poll(() => taken.length).toBe(1)
    expect(taken[0]?.tlvs.get(0x0427)).toEqual(Buffer.of(2))
  })

  it('5.3: a TLV that is longer than its PDU ends the reading of TLVs, not the session', async () => {
    const link = await boundTo()
    const frame = Buffer.concat([deliver(5), hex('0427 0001 02'), hex('001e 00ff 4142')])
    frame.writeUInt32BE(frame.length)
    link.peer.send(frame)
    await expect.poll(() => link.taken.length).toBe(1)
    expect([...(link.taken[0]?.tlvs.keys() ?? [])]).toEqual([0x0427])
    await expectAlive(link)
  })

  it('4.3: an unknown command_id is answered generic_nack 0x03 with its sequence number', async () => {
    const link = await boundTo()
    link.peer.send(hex('00000010 00000999 00000000 80000001'))
    await expect
      .poll(() => link.peer.heardOf('generic_nack'))
      .toMatchObject([{ sequence: 0x80000001, status: 3 }])
    await expectAlive(link)
  })

  it('4.3: an unknown response is answered by nothing, or two peers would answer each other for ever', async () => {
    const link = await boundTo()
    link.peer.send(hex('00000010 80000999 00000000 00000001'))
    await expectAlive(link)
    expect(link.peer.heardOf('generic_nack')).toEqual([])
  })

  it('4.3: a body that cannot be read costs that PDU and not the session', async () => {
    const link = await boundTo()
    link.peer.send(Buffer.concat([hex('00000012 00000005 00000000 00000006 0001'), deliver(7)]))
    await expect.poll(() => link.taken.map(({ sequence }) => sequence)).toEqual([7])
    expect(link.peer.heardOf('generic_nack')).toMatchObject([{ sequence: 6, status: 2 }])
    await expectAlive(link)
  })
})

describe('SMPP 3.4 section 4.3 and 4.4: responses', () => {
  it.each([
    ['with an id', '00000014 80000004 00000000 00000002 41424300', 0, 'ABC'],
    ['with an error and without a body', '00000010 80000004 00000058 00000002', 0x58, ''],
    ['with an empty id', '00000011 80000004 00000000 00000002 00', 0, ''],
    ['with an id that has no end', '00000013 80000004 00000000 00000002 414243', 0, 'ABC'],
    ['without any body, although it says ESME_ROK', '00000010 80000004 00000000 00000002', 0, ''],
    ['as generic_nack', '00000010 80000000 00000003 00000002', 3, ''],
  ])('a submit is answered %s', async (_, frame, status, messageId) => {
    const { session } = await boundTo((pdu) => (pdu.command === 'submit_sm' ? [hex(frame)] : []))
    expect(await session.submit(SUBMIT)).toEqual({ kind: 'answered', status, messageId })
  })

  it('come in any order, and repeated, foreign or senseless ones are only counted', async () => {
    const link = await boundTo()
    const open = [1, 2, 3].map(() => link.session.submit(SUBMIT))
    await expect.poll(() => link.peer.heardOf('submit_sm').length).toBe(3)
    const answers = link.peer
      .heardOf('submit_sm')
      .map(({ sequence }) => encodePdu('submit_sm_resp', sequence, { message_id: `id-${sequence}` }))
    link.peer.send(
      Buffer.concat([
        encodePdu('submit_sm_resp', 999, { message_id: 'foreign' }),
        encodePdu('generic_nack', 0, {}, 8),
        // Of another command, under a number that is open.
        encodePdu('enquire_link_resp', link.peer.heardOf('submit_sm')[0]?.sequence ?? 0),
        ...answers.toReversed(),
        ...answers,
      ]),
    )
    const replies = await Promise.all(open)
    expect(replies.map((reply) => 'messageId' in reply && reply.messageId)).toEqual(['id-2', 'id-3', 'id-4'])
    await expect.poll(() => link.strays()).toBe(6)
    await expectAlive(link)
  })
})

describe('SMPP 3.4 sections 4.6 to 4.12: what the operator asks', () => {
  it('4.6.2 and 4.7.2: deliver_sm and data_sm are answered, with an empty message_id', async () => {
    const { peer, taken } = await boundTo()
    peer.send(
      Buffer.concat([deliver(4), encodePdu('data_sm', 5, { receipted_message_id: '1', message_state: 2 })]),
    )
    await expect.poll(() => taken.length).toBe(2)
    await expect
      .poll(() => peer.heardOf('data_sm_resp'))
      .toMatchObject([{ sequence: 5, fields: { message_id: '' } }])
    expect(peer.heardOf('deliver_sm_resp')).toMatchObject([{ sequence: 4, fields: { message_id: '' } }])
  })

  it('4.11: enquire_link is answered at once, while receipts wait for us', async () => {
    const link = await boundTo(undefined, { onDeliver: () => new Promise(() => {}) })
    link.peer.send(Buffer.concat(Array.from({ length: 200 }, (_, at) => deliver(at + 1))))
    await expectAlive(link)
    expect(link.peer.heardOf('deliver_sm_resp')).toEqual([])
  })

  it('more receipts than we hold are answered RMSGQFUL, and come again', async () => {
    const link = await boundTo(undefined, { onDeliver: () => new Promise(() => {}) })
    link.peer.send(Buffer.concat(Array.from({ length: 1_001 }, (_, at) => deliver(at + 1))))
    await expect
      .poll(() => link.peer.heardOf('deliver_sm_resp'))
      .toMatchObject([{ sequence: 1_001, status: 0x14 }])
    await expectAlive(link)
  })

  it('4.12: alert_notification has no response', async () => {
    const link = await boundTo()
    link.peer.send(encodePdu('alert_notification', 3, { source_addr: '447700900123', esme_addr: 'us' }))
    await expectAlive(link)
    expect(link.peer.heard.map(({ command }) => command)).toEqual(['bind_transceiver', 'enquire_link_resp'])
  })

  it.each([
    ['submit_sm', encodePdu('submit_sm', 8)],
    ['bind_receiver', encodePdu('bind_receiver', 8)],
    ['query_sm', Buffer.from('0000001400000003000000000000000800000000', 'hex')],
    ['cancel_sm', Buffer.from('000000180000000800000000000000080000000000000000', 'hex')],
  ])(
    '2.3: %s is nothing that an operator may ask, and is answered generic_nack 0x03',
    async (_command, frame) => {
      const link = await boundTo()
      link.peer.send(frame)
      await expect.poll(() => link.peer.heardOf('generic_nack')).toMatchObject([{ sequence: 8, status: 3 }])
      await expectAlive(link)
    },
  )
})

describe('SMPP 3.4 section 7.2: timers', () => {
  it('session initiation: a bind that nobody answers ends the attempt and the line', async () => {
    const session = await sessionWith(new Peer(() => []), { bindMs: 100 })
    expect(await bind(session)).toEqual({ kind: 'failed', reason: 'bind timeout' })
  })

  it('session initiation: a bind that is answered generic_nack is refused', async () => {
    const peer = new Peer(({ sequence }) => [encodePdu('generic_nack', sequence, {}, 3)])
    expect(await bind(await sessionWith(peer))).toEqual({ kind: 'refused', status: 3 })
  })

  it('response: a submit that nobody answers is in doubt and no more, and its session goes on', async () => {
    const link = await boundTo(undefined, { responseMs: 100 })
    expect(await link.session.submit(SUBMIT)).toMatchObject({ kind: 'in_doubt', reason: 'timeout' })
    await expectAlive(link)
    expect(link.session.canSubmit).toBe(true)
  })
})

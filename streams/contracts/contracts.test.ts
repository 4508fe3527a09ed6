import { describe, expect, it } from 'vitest'
import { catalogue, changelogSpec, deadLetterSpec, TOPICS } from './catalogue.ts'
import { decode, encode } from './decode.ts'
import * as examples from './examples.ts'
import { qualityExample, sampleExample } from './operator-examples.ts'
import { INBOUND_DURABLES, INBOUND_MIRRORS, OUTBOUND_MIRRORS, STREAMS } from './subjects.ts'

const EXAMPLE_OF: Readonly<Record<string, readonly object[]>> = {
  'sms.outbound.request': [examples.requestExample],
  'sms.outbound.cancel': [examples.cancelExample],
  'sms.outbound.retry': [examples.retryExample],
  'sms.outbound.deadletter': [examples.deadLetterExample],
  'sms.events.status': [examples.statusExample],
  'smpp.operator': [examples.commandExample],
  'smpp.dispatch.refused': [examples.refusedExample],
  'smpp.submit.result': [examples.submitResultExample],
  'sms.dlr.inbound': [examples.inboundReceiptExample],
  'sms.dlr.aggregated.v1': [examples.aggregatedExample],
  'sms.dlr.unmatched': [examples.unmatchedExample],
  'billing.events': [examples.billingExample],
  'webhook.dispatch': [examples.webhookExample],
  'operator.health': [examples.healthExample],
  'dlr.lookup': [examples.lookupExample],
  'dlr.sent': [examples.sentExample],
  'dlr.segment.facts': [
    examples.expectedFactExample,
    examples.refusedFactExample,
    examples.receiptFactExample,
  ],
  'dlr.records': [examples.recordExample],
  'operator.samples': [sampleExample],
  'operator.quality': [qualityExample],
  'bridge.marks': [examples.bridgeMarkExample],
}

const specsWith = (replicas: number) => [
  ...catalogue({ partitions: 12, replicas }),
  changelogSpec('changelog', 12, replicas),
  deadLetterSpec('deadletter', 12, replicas),
]

describe('contracts', () => {
  it.each(TOPICS.map((topic) => [topic.name, topic] as const))(
    'CON-3.1 CON-3.2 CON-3.3 %s reads its example unchanged',
    (name, topic) => {
      const given = EXAMPLE_OF[name] ?? []
      expect(given.length).toBeGreaterThan(0)
      for (const example of given) {
        const read = decode(topic, Buffer.from(encode(example)))
        expect(read).toEqual({ ok: true, value: example })
        expect(topic.key(example).length).toBeGreaterThan(0)
      }
    },
  )

  it.each([
    [
      'DLR-008.3 a bill',
      'billing.events',
      ['messageId', 'accountId', 'segmentCount', 'dlrStatus', 'operatorId'],
    ],
    ['DLR-009.2 a webhook', 'webhook.dispatch', ['accountId', 'messageId', 'dlrStatus', 'to', 'occurredAt']],
  ])('%s has the fields that its reader was promised, and none may be missing', (_, name, fields) => {
    const [example = {}] = EXAMPLE_OF[name] ?? []
    const topic = TOPICS.find((one) => one.name === name)
    if (topic === undefined) throw new Error(`there is no topic ${name}`)
    for (const field of fields) {
      const others = Object.fromEntries(Object.entries(example).filter(([key]) => key !== field))
      expect(Object.keys(others)).toHaveLength(Object.keys(example).length - 1)
      expect(decode(topic, Buffer.from(encode(others)))).toMatchObject({
        ok: false,
        errors: [{ path: field }],
      })
    }
  })

  it.each(TOPICS.map((topic) => [topic.name, topic] as const))(
    '%s lets unknown fields pass',
    (name, topic) => {
      for (const example of EXAMPLE_OF[name] ?? []) {
        const read = decode(topic, Buffer.from(encode({ ...example, addedInVersion: '1.7' })))
        expect(read.ok).toBe(true)
      }
    },
  )

  it('takes `version` for schemaVersion, "1" for "1.0" and any minor version', () => {
    const { schemaVersion: _, ...rest } = examples.healthExample
    const topic = TOPICS.find((candidate) => candidate.name === 'operator.health')
    if (topic === undefined) throw new Error('operator.health is not catalogued')
    for (const given of [
      { ...rest, version: '1' },
      { ...rest, schemaVersion: '1.9' },
      { ...rest, schemaVersion: '1' },
    ]) {
      expect(decode(topic, Buffer.from(encode(given))).ok).toBe(true)
    }
  })

  it('tells why a record cannot be read, naming the field and never its value', () => {
    const topic = TOPICS.find((candidate) => candidate.name === 'sms.dlr.inbound')
    if (topic === undefined) throw new Error('sms.dlr.inbound is not catalogued')
    const read = (value: unknown) => decode(topic, Buffer.from(encode(value)))
    expect(decode(topic, Buffer.from('{'))).toMatchObject({ ok: false, reason: 'not_json' })
    expect(decode(topic, null)).toMatchObject({ ok: false, reason: 'not_json' })
    expect(read({ ...examples.inboundReceiptExample, schemaVersion: '2.0' })).toMatchObject({
      reason: 'version',
    })
    const wrong = read({ ...examples.inboundReceiptExample, operatorMessageId: '', destAddr: 447700900123 })
    expect(wrong).toMatchObject({ ok: false, reason: 'schema' })
    expect(encode(wrong)).toContain('operatorMessageId')
    expect(encode(wrong)).not.toContain('447700900123')
  })

  it('names no key of metadata, which is the words of the client', () => {
    const topic = TOPICS.find((candidate) => candidate.name === 'smpp.operator')
    if (topic === undefined) throw new Error('smpp.operator is not catalogued')
    const metadata = { 'private words': 1 }
    const wrong = decode(topic, Buffer.from(encode({ ...examples.commandExample, metadata })))
    expect(wrong).toMatchObject({ ok: false, errors: [{ path: 'metadata' }] })
    expect(encode(wrong)).not.toContain('private words')
  })

  it('catalogues every topic that has a schema, and mirrors only catalogued topics', () => {
    const names = new Set(catalogue({ partitions: 12, replicas: 3 }).map((spec) => spec.name))
    for (const topic of TOPICS) expect(names).toContain(topic.name)
    for (const mirror of [...INBOUND_MIRRORS, ...OUTBOUND_MIRRORS]) {
      expect(names).toContain(mirror.topic)
      expect(STREAMS.map((stream) => stream.name)).toContain(mirror.stream)
    }
  })

  it('[EV7] a durable that serves several subjects serves all of its stream: it has no filter', () => {
    const shared = [...INBOUND_DURABLES.values()].filter(({ length }) => length > 1)
    expect(shared.map(([first]) => first?.durable)).toEqual(['orch-consumer'])
    for (const mirrors of shared) {
      const stream = STREAMS.find(({ name }) => name === mirrors[0]?.stream)
      expect(stream?.subjects).toEqual(mirrors.map(({ subject }) => subject))
    }
  })

  it('fault R8: [W1] acknowledges on two disks where a topic has three copies, and asks one copy for itself', () => {
    const leastOf = (replicas: number) =>
      new Set(specsWith(replicas).map(({ config }) => config['min.insync.replicas']))
    expect(leastOf(3)).toEqual(new Set(['2']))
    expect(leastOf(2)).toEqual(new Set(['1']))
    expect(leastOf(1)).toEqual(new Set(['1']))
    expect(new Set(specsWith(3).map(({ config }) => config['compression.type']))).toEqual(
      new Set(['producer']),
    )
  })

  it('keeps all topics that share a key at the same partition count', () => {
    const specs = new Map(
      catalogue({ partitions: 12, replicas: 3 }).map((spec) => [spec.name, spec.partitions]),
    )
    for (const name of [
      'sms.outbound.request',
      'sms.outbound.cancel',
      'smpp.submit.result',
      'dlr.segment.facts',
      'sms.dlr.aggregated.v1',
    ])
      expect(specs.get(name)).toBe(12)
    expect(specs.get('dlr.sent')).toBe(specs.get('dlr.lookup'))
    expect(specs.get('operator.health')).toBe(3)
    expect(specs.get('bridge.marks')).toBe(1)
  })
})

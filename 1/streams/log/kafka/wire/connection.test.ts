import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BrokerConnection } from './broker-connection.ts'
import { ConnectionLost } from './connection-lost.ts'
import { FRAME_BYTES_MAX, FrameReader } from './frames.ts'
import { SETTINGS, closedAfterEach, echo, echoed, scriptedBroker } from './testing/scripted-broker.suite.ts'
import type { ScriptedBroker, Seen } from './testing/scripted-broker.suite.ts'

const opened = closedAfterEach()

type Settings = Partial<typeof SETTINGS>

async function connected(
  script: (seen: Seen) => void,
  settings: Settings = {},
  options: Parameters<typeof scriptedBroker>[1] = {},
): Promise<{ broker: ScriptedBroker; connection: BrokerConnection }> {
  const broker = await scriptedBroker(script, options)
  const place = { host: '127.0.0.1', port: broker.port }
  const connection = new BrokerConnection(place, { ...SETTINGS, ...settings })
  opened(broker)
  return { broker, connection: opened(connection) }
}

const throttling = (ms: number) => () => {
  const call = echo('throttled')(new Map([[99, { minVersion: 0, maxVersion: 0 }]]))
  return { ...call, decode: () => ({ clientSideThrottleTime: ms }) }
}

const serve = (seen: Seen): void => void seen.socket.write(echoed(seen))

/** What became of each request. */
async function outcomes(asking: readonly Promise<{ text: string }>[]): Promise<string[]> {
  const settled = await Promise.allSettled(asking)
  return settled.map((one) => {
    if (one.status === 'fulfilled') return one.value.text
    return one.reason instanceof ConnectionLost ? 'lost' : String(one.reason)
  })
}

describe('a connection', { timeout: 60_000 }, () => {
  it('opens at first use, once for all who wait, and answers each with its own', async () => {
    const { broker, connection } = await connected(serve)
    expect(broker.connections()).toBe(0)
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`)
    expect(await outcomes(texts.map((text) => connection.send(echo(text))))).toEqual(texts)
    expect(broker.connections()).toBe(1)
  })

  it('fault R1: after a cut anywhere inside an answer the next request succeeds', async () => {
    // Answers of several segments: lengths, a header, and a body that comes in pieces.
    const text = 'x'.repeat(200_000)
    const bytes = text.length + 12
    const cut = fc.oneof(
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: bytes - 1 }),
      fc.constant(bytes - 1),
    )
    await fc.assert(
      fc.asyncProperty(cut, async (at) => {
        const { broker, connection } = await connected((seen) => {
          if (seen.connection > 1) return serve(seen)
          return seen.socket.end(echoed(seen).subarray(0, at))
        })
        expect(await outcomes([connection.send(echo(text))])).toEqual(['lost'])
        expect(await outcomes([connection.send(echo('again')), connection.send(echo('and again'))])).toEqual([
          'again',
          'and again',
        ])
        expect(broker.connections()).toBe(2)
      }),
      { numRuns: 60 },
    )
  })

  it('fault R1: a cut takes with it only what has no whole answer', async () => {
    const answers = ['a', 'bb', 'ccc'].map((text) => 12 + text.length)
    const total = answers.reduce((sum, bytes) => sum + bytes, 0)
    for (let at = 0; at < total; at += 1) {
      const held: Buffer[] = []
      const { connection } = await connected((seen) => {
        if (seen.connection > 1) return serve(seen)
        if (held.push(echoed(seen)) === 3) seen.socket.end(Buffer.concat(held).subarray(0, at))
      })
      let [end, whole] = [0, 0]
      for (const bytes of answers) if ((end += bytes) <= at) whole += 1
      const expected = ['a', 'bb', 'ccc'].map((text, i) => (i < whole ? text : 'lost'))
      expect(await outcomes(['a', 'bb', 'ccc'].map((text) => connection.send(echo(text))))).toEqual(expected)
      expect(await outcomes([connection.send(echo('next'))])).toEqual(['next'])
    }
  })

  it('fault R1: an answer that comes after its deadline belongs to a connection that is gone', async () => {
    let late: (() => void) | undefined
    const { broker, connection } = await connected((seen) => {
      if (seen.connection > 1) return serve(seen)
      late = () => void seen.socket.write(echoed(seen))
    })
    const asking = [connection.send(echo('slow', 30)), connection.send(echo('behind it'))]
    expect(await outcomes(asking)).toEqual(['lost', 'lost'])
    late?.()
    expect(await outcomes([connection.send(echo('next'))])).toEqual(['next'])
    expect(broker.connections()).toBe(2)
  })

  it('fault R1: a half answer that is held for ever ends at the deadline', async () => {
    const { connection } = await connected((seen) => {
      if (seen.connection > 1) return serve(seen)
      return void seen.socket.write(echoed(seen).subarray(0, 9))
    })
    expect(await outcomes([connection.send(echo('half', 30))])).toEqual(['lost'])
    expect(await outcomes([connection.send(echo('whole'))])).toEqual(['whole'])
  })

  it('fault R1: while ours hangs and a fresh one answers, nobody waits longer than a deadline', async () => {
    // What a liveness check of two minutes would look for cannot last: each request has a deadline,
    // and what misses it is replaced.
    const { broker, connection } = await connected((seen) => {
      if (seen.connection >= 4) serve(seen)
    })
    const seen: string[] = []
    while (seen.at(-1) !== 'fine' && seen.length < 10)
      seen.push(...(await outcomes([connection.send(echo('fine', 20))])))
    expect(seen).toEqual(['lost', 'lost', 'lost', 'fine'])
    expect(broker.connections()).toBe(4)
  })

  it('fault R1: answers out of turn are believed by nobody', async () => {
    const held: Seen[] = []
    const { connection } = await connected((seen) => {
      if (seen.connection > 1) return serve(seen)
      if (held.push(seen) === 2) seen.socket.write(Buffer.concat(held.toReversed().map((one) => echoed(one))))
    })
    expect(await outcomes([connection.send(echo('one')), connection.send(echo('two'))])).toEqual([
      'lost',
      'lost',
    ])
    expect(await outcomes([connection.send(echo('three'))])).toEqual(['three'])
  })

  it('fault R1: an impossible length ends the connection and takes no memory', async () => {
    const length = fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 3 }),
      fc.integer({ min: FRAME_BYTES_MAX + 1, max: 2 ** 31 - 1 }),
    )
    await fc.assert(
      fc.asyncProperty(length, async (bytes) => {
        const { connection } = await connected((seen) => {
          if (seen.connection > 1) return serve(seen)
          const garbage = Buffer.alloc(64, 0xff)
          garbage.writeInt32BE(bytes)
          seen.socket.write(garbage)
        })
        expect(await outcomes([connection.send(echo('one'))])).toEqual(['lost'])
        expect(await outcomes([connection.send(echo('two'))])).toEqual(['two'])
      }),
      { numRuns: 30 },
    )
  })

  it('fault R1: an answer that cannot be read takes its connection along', async () => {
    const { broker, connection } = await connected((seen) => {
      if (seen.connection > 1) return serve(seen)
      // It promises more bytes than there are.
      seen.socket.write(seen.answer(Buffer.from([0, 0, 0, 9, 1])))
    })
    expect(await outcomes([connection.send(echo('one'))])).toEqual(['lost'])
    expect(await outcomes([connection.send(echo('two'))])).toEqual(['two'])
    expect(broker.connections()).toBe(2)
  })

  it('fault R1: is replaced when the broker has closed it while nobody asked', async () => {
    const { broker, connection } = await connected(serve)
    await connection.send(echo('one'))
    const [first] = broker.seen.filter(({ apiKey }) => apiKey === 99)
    const closed = new Promise((resolve) => first?.socket.once('close', resolve))
    first?.socket.end()
    await closed
    expect(await outcomes([connection.send(echo('two'))])).toEqual(['two'])
    expect(broker.connections()).toBe(2)
  })

  it('fault R11: is lost at the deadline when nobody says what it speaks', async () => {
    const { broker, connection } = await connected(
      serve,
      { requestTimeoutMs: 50 },
      { isMute: (n) => n === 1 },
    )
    expect(await outcomes([connection.send(echo('one')), connection.send(echo('two'))])).toEqual([
      'lost',
      'lost',
    ])
    expect(await outcomes([connection.send(echo('three', 20_000))])).toEqual(['three'])
    expect(broker.connections()).toBe(2)
  })

  it('fault R11: is not blamed for what its own process held up', async () => {
    const { broker, connection } = await connected((seen) => {
      serve(seen)
      // The answer has left; nobody reads it until the deadline is over.
      const until = performance.now() + 100
      while (performance.now() < until);
    })
    expect(await outcomes([connection.send(echo('one', 50))])).toEqual(['one'])
    expect(broker.connections()).toBe(1)
  })

  it('takes nothing more once it is closed, also when it was just being opened', async () => {
    const { connection } = await connected(serve)
    const asking = connection.send(echo('one'))
    connection.close()
    expect(await outcomes([asking, connection.send(echo('two'))])).toEqual(['lost', 'lost'])
  })

  it('gives a broker that throttles the time that it has asked for (KIP-219)', async () => {
    const { broker, connection } = await connected((seen) => {
      if (seen.correlationId < 3) return serve(seen)
      setTimeout(() => serve(seen), 200)
    })
    await connection.send(throttling(20_000))
    expect(await outcomes([connection.send(echo('patience', 20))])).toEqual(['patience'])
    expect(broker.connections()).toBe(1)
  })
})

describe('frames', { timeout: 60_000 }, () => {
  it('are the same however the stream is cut', () => {
    const frame = fc.uint8Array({ minLength: 4, maxLength: 300 }).map((bytes) => Buffer.from(bytes))
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (frames, cuts) => {
          const stream = Buffer.concat(
            frames.flatMap((one) => {
              const length = Buffer.alloc(4)
              length.writeInt32BE(one.length)
              return [length, one]
            }),
          )
          const at = cuts.map((cut) => cut % (stream.length + 1)).toSorted((a, b) => a - b)
          const reader = new FrameReader()
          const read = [...at, stream.length].flatMap((end, i) =>
            reader.push(stream.subarray(at[i - 1] ?? 0, end)),
          )
          expect(read.map((one) => one.toString('hex'))).toEqual(frames.map((one) => one.toString('hex')))
        },
      ),
    )
  })
})

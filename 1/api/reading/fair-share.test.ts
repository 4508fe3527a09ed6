import { expect, test } from 'vitest'
import { Problem } from '../problem.ts'
import { fairShare } from './fair-share.ts'

const settled = () => new Promise((resolve) => void setImmediate(resolve))

function scene(waitMsMax = 60_000) {
  const share = fairShare({ placesMax: 2, waitMsMax })
  const begun: string[] = []
  const ends = new Map<string, (error?: Error) => void>()
  const run = (tenantId: string, name: string): Promise<string> =>
    share.run(tenantId, () => {
      begun.push(name)
      return new Promise((resolve, reject) => {
        ends.set(name, (error) => (error === undefined ? resolve(name) : reject(error)))
      })
    })
  return { run, begun, end: (name: string, error?: Error) => ends.get(name)?.(error) }
}

test('one tenant has so many places, and the others have theirs all the same', async () => {
  const { run, begun, end } = scene()
  for (const name of ['a1', 'a2', 'a3']) void run('a', name)
  void run('b', 'b1')
  await settled()
  expect(begun).toEqual(['a1', 'a2', 'b1'])
  // Or it would be refused when its time is over, after the test.
  end('a1')
  await settled()
  expect(begun).toEqual(['a1', 'a2', 'b1', 'a3'])
})

test('whoever waits goes on in turn, also behind one that failed', async () => {
  const { run, begun, end } = scene()
  const first = run('a', 'a1')
  for (const name of ['a2', 'a3', 'a4']) void run('a', name)
  await settled()
  end('a1', new Error('slow'))
  await expect(first).rejects.toThrow('slow')
  await settled()
  expect(begun).toEqual(['a1', 'a2', 'a3'])
  end('a3')
  await settled()
  expect(begun).toEqual(['a1', 'a2', 'a3', 'a4'])
})

test('who waits too long is refused, and takes no place later', async () => {
  const { run, begun, end } = scene(1)
  for (const name of ['a1', 'a2']) void run('a', name)
  await expect(run('a', 'late')).rejects.toEqual(new Problem('OVERLOADED'))
  end('a1')
  end('a2')
  await settled()
  for (const name of ['a3', 'a4']) void run('a', name)
  await settled()
  expect(begun).toEqual(['a1', 'a2', 'a3', 'a4'])
})

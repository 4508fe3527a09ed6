import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { BoundedMap } from './bounded-map.ts'

type Act = readonly ['set' | 'delete' | 'clear', number]

/** The same in the plainest way: a list in the order of writing. */
function after(acts: readonly Act[], entriesMax: number): readonly number[] {
  let keys: number[] = []
  for (const [act, key] of acts) {
    if (act === 'clear') keys = []
    else keys = keys.filter((known) => known !== key)
    if (act === 'set') keys = [...keys, key].slice(-entriesMax)
  }
  return keys
}

it('keeps the entries that were written last, whatever was deleted between', () => {
  const act = fc.tuple(
    fc.constantFrom('set', 'set', 'set', 'delete', 'clear'),
    fc.integer({ min: 0, max: 9 }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (acts, entriesMax) => {
      const map = new BoundedMap<number, string>(entriesMax)
      for (const [name, key] of acts) {
        if (name === 'set') map.set(key, `value ${key}`)
        else if (name === 'delete') map.delete(key)
        else map.clear()
      }
      const kept = after(acts, entriesMax)
      expect(map.size).toBe(kept.length)
      for (let key = 0; key <= 9; key += 1)
        expect(map.get(key)).toBe(kept.includes(key) ? `value ${key}` : undefined)
    }),
  )
})

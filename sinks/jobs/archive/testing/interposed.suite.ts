import type { Pool, PoolClient } from 'pg'
import type { ObjectStore, Upload } from '../store.ts'

/** Stands between the archive and what it asks: `what` is the SQL, or the request to S3. */
export type Hook = <T>(what: string, act: () => Promise<T>) => Promise<T>

type Method = (...args: readonly unknown[]) => Promise<unknown>

const isMethod = (value: unknown): value is Method => typeof value === 'function'

function textOf(query: unknown): string {
  if (typeof query === 'string') return query
  return typeof query === 'object' && query !== null && 'text' in query ? String(query.text) : ''
}

const hooked = <Q extends object>(
  target: Q,
  hook: Hook,
  more: (name: string | symbol, call: Method) => unknown,
): Q =>
  new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (!isMethod(value)) return value
      const call: Method = (...args) => Reflect.apply(value, target, args)
      if (name === 'query') return (...args: readonly unknown[]) => hook(textOf(args[0]), () => call(...args))
      return more(name, call)
    },
  })

export const interposed = (pool: Pool, hook: Hook): Pool =>
  hooked(pool, hook, (name, call) =>
    name === 'connect'
      ? async (): Promise<PoolClient> => hooked(await pool.connect(), hook, (_, other) => other)
      : call,
  )

export const interposedStore = (store: ObjectStore, hook: Hook): ObjectStore => ({
  ...store,
  check: () => hook('check', () => store.check()),
  upload: async (place) => uploadThrough(await hook('upload', () => store.upload(place)), hook),
  sizeOf: (place) => hook('sizeOf', () => store.sizeOf(place)),
  read: (place, from, until) => hook('read', () => store.read(place, from, until)),
})

const uploadThrough = (upload: Upload, hook: Hook): Upload => ({
  write: (bytes) => hook('write', () => upload.write(bytes)),
  complete: () => hook('complete', () => upload.complete()),
  abort: () => hook('abort', () => upload.abort()).catch(() => undefined),
})

/** The part of kafkajs's Connection that opens its socket. */
export interface Connecting {
  connect(): Promise<unknown>
}

/**
 * Two requests that find a kafkajs connection closed open a socket each: the second replaces the
 * first, whose answers then mix into the same buffer. One attempt at a time, shared by all who wait
 * for it.
 *
 * @param original the prototype as kafkajs made it; its method is read now, before it is replaced
 */
export function connectOnce(original: Connecting): (this: Connecting) => Promise<unknown> {
  const connect: unknown = Reflect.get(original, 'connect')
  if (!isConnect(connect)) throw new TypeError('a connection connects')
  const attempts = new WeakMap<Connecting, Promise<unknown>>()
  return function connectShared(this: Connecting): Promise<unknown> {
    const running = attempts.get(this)
    if (running !== undefined) return running
    const attempt = connect.call(this).finally(() => attempts.delete(this))
    attempts.set(this, attempt)
    return attempt
  }
}

function isConnect(value: unknown): value is (this: Connecting) => Promise<unknown> {
  return typeof value === 'function'
}

import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)

export type ScramHash = 'sha256' | 'sha512'

/** What a broker may ask for: fewer rounds protect no password, more hold up every connection. */
const ROUNDS_MIN = 4_096
const ROUNDS_MAX = 1_000_000

/** The client's side of SCRAM (RFC 5802) without channel binding. Throws Error when it fails. */
export class ScramClient {
  readonly #hash: ScramHash
  readonly #password: string
  readonly #nonce: string
  readonly #firstBare: string
  #serverSignature: Buffer | undefined

  /** @param nonce printable, without a comma, and never the same twice */
  constructor(hash: ScramHash, username: string, password: string, nonce: string) {
    this.#hash = hash
    this.#password = password
    this.#nonce = nonce
    this.#firstBare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  }

  first(): string {
    return `n,,${this.#firstBare}`
  }

  /** The proof, in answer to the server's first message. */
  async final(serverFirst: string): Promise<string> {
    const { nonce, salt, rounds } = this.#challenge(serverFirst)
    const bytes = this.#hash === 'sha256' ? 32 : 64
    const salted = await derive(this.#password, salt, rounds, bytes, this.#hash)
    const withoutProof = `c=biws,r=${nonce}`
    const message = `${this.#firstBare},${serverFirst},${withoutProof}`
    const clientKey = this.#hmac(salted, 'Client Key')
    const storedKey = createHash(this.#hash).update(clientKey).digest()
    const signature = this.#hmac(storedKey, message)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)))
    this.#serverSignature = this.#hmac(this.#hmac(salted, 'Server Key'), message)
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  /** Throws unless the server has shown that it knows the password too. */
  verify(serverFinal: string): void {
    const expected = this.#serverSignature
    const given = Buffer.from(attributes(serverFinal).get('v') ?? '', 'base64')
    if (expected === undefined || given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new Error('the server does not know the password')
  }

  #challenge(serverFirst: string): { nonce: string; salt: Buffer; rounds: number } {
    const given = attributes(serverFirst)
    const [nonce = '', salt = '', rounds] = [given.get('r'), given.get('s'), Number(given.get('i'))]
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length || salt === '')
      throw new Error('the server answers another exchange')
    if (!Number.isInteger(rounds) || rounds < ROUNDS_MIN || rounds > ROUNDS_MAX)
      throw new Error(`${rounds} rounds are not between ${ROUNDS_MIN} and ${ROUNDS_MAX}`)
    return { nonce, salt: Buffer.from(salt, 'base64'), rounds }
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest()
  }
}

function attributes(message: string): ReadonlyMap<string, string> {
  const parts = message.split(',').filter((part) => part[1] === '=')
  return new Map(parts.map((part) => [part.slice(0, 1), part.slice(2)]))
}

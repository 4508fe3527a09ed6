/**
 * What we use of npm `smpp` 0.5.1, which ships no types: its codec, as another program's opinion of
 * what our PDUs mean. Its session, its framing and its text detection lose messages, and are not
 * declared here on purpose.
 */
declare module 'smpp' {
  class PDU {
    constructor(command: string | Buffer, fields?: Readonly<Record<string, unknown>>)
    readonly command: string
    readonly sequence_number: number
    readonly [field: string]: unknown
    /** Translates texts, user data headers and times in both directions, by guessing. */
    _filter(way: 'encode' | 'decode'): void
    toBuffer(): Buffer
  }
  // A CommonJS module that copies half of its exports in a loop: only the default import finds them
  // all.
  const smpp: { readonly PDU: typeof PDU }
  export default smpp
}

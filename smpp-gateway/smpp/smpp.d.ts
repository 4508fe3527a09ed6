/**
 * What we use of npm `smpp` 0.5.1, which ships no types: its tables of commands and field types,
 * and its encoder. Its session, its framing and its text detection lose messages, and are not
 * declared here on purpose.
 */
declare module 'smpp' {
  interface FieldType {
    read(buffer: Buffer, offset: number): string | number | Buffer | readonly unknown[]
    size(value: unknown): number
  }
  interface CommandSpec {
    readonly id: number
    readonly command: string
    readonly params?: Readonly<Record<string, { readonly type: FieldType }>>
  }
  class PDU {
    constructor(command: string, fields: Readonly<Record<string, unknown>>)
    /** Translates texts, user data headers and times in both directions, by guessing. */
    _filter(way: 'encode' | 'decode'): void
    toBuffer(): Buffer
  }
  // A CommonJS module that copies half of its exports in a loop: only the default import finds them
  // all.
  const smpp: {
    readonly commandsById: Readonly<Record<number, CommandSpec | undefined>>
    readonly PDU: typeof PDU
  }
  export default smpp
}

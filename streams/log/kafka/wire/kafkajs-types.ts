/** What is used of the inside of kafkajs 2.2.4, as `internals.ts` finds it. */

export interface ProtocolRequest {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  encode(): Encoded | Promise<Encoded>
}

/** What kafkajs's Encoder looks like to the one that frames it. */
export interface Encoded {
  readonly buf: Buffer
  readonly buffer: Buffer
}

/** Answers are objects, because kafkajs looks for a throttle time in them. */
export interface ProtocolResponse<Answer extends object> {
  decode(raw: Buffer): Answer | Promise<Answer>
  parse(decoded: Answer): Answer | Promise<Answer>
}

export interface Call<Answer extends object> {
  readonly request: ProtocolRequest
  readonly response: ProtocolResponse<Answer>
  /** Only for requests that the broker may hold on purpose. */
  readonly requestTimeout?: number
  readonly logResponseError?: boolean
}

export interface VersionRange {
  readonly minVersion: number
  readonly maxVersion: number
}

export interface KafkaBroker {
  readonly connectionPool: { send<Answer extends object>(call: Call<Answer>): Promise<Answer> }
  readonly versions: Readonly<Record<number, VersionRange | undefined>> | null
  readonly lookupRequest: (apiKey: number, definition: object) => (payload: object) => Call<object>
  isConnected(): boolean
  connect(): Promise<void>
  disconnect(): Promise<void>
}

/** kafkajs's logger; `log` carries more than may be logged. */
export interface KafkaLogger {
  namespace(name: string): KafkaLogger
  info(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

export interface KafkaLogEntry {
  readonly namespace: string
  readonly log: { readonly message: string }
}

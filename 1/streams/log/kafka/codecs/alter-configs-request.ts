import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { OwnRequest } from '../wire/own-call.ts'

/** One setting of one topic. */
export interface TopicSetting {
  readonly topic: string
  readonly name: string
  readonly value: string
}

export interface AlteredAnswer {
  readonly topics: readonly { readonly topic: string; readonly errorCode: number; readonly reason: string }[]
  readonly clientSideThrottleTime: number
}

const TOPIC_RESOURCE = 2
const SET = 0

/** IncrementalAlterConfigs v0 (KIP-339), which leaves all settings alone that it does not name. */
export function alterConfigsRequest(settings: readonly TopicSetting[]): OwnRequest<AlteredAnswer> {
  const byTopic = new Map<string, TopicSetting[]>()
  for (const one of settings) byTopic.set(one.topic, [...(byTopic.get(one.topic) ?? []), one])
  const encode = (): ByteWriter => {
    const out = new ByteWriter().int32(byTopic.size)
    for (const [topic, mine] of byTopic) {
      out.int8(TOPIC_RESOURCE).string(topic).int32(mine.length)
      for (const { name, value } of mine) out.string(name).int8(SET).string(value)
    }
    const isTrial = 0
    return out.int8(isTrial)
  }
  return { apiKey: 44, apiVersion: 0, apiName: 'IncrementalAlterConfigs', encode, decode }
}

function decode(reader: ByteReader): AlteredAnswer {
  const clientSideThrottleTime = reader.int32()
  const topics = reader.array(() => {
    const [errorCode, reason] = [reader.int16(), reader.string()]
    // The kind of resource.
    reader.skip(1)
    return { topic: reader.string(), errorCode, reason }
  })
  return { topics, clientSideThrottleTime }
}

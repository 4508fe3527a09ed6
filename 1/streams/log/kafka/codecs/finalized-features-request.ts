import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { speaks } from '../wire/call.ts'
import type { CallFor } from '../wire/call.ts'
import { ownCall } from '../wire/own-call.ts'
import type { OwnRequest } from '../wire/own-call.ts'

export interface FeaturesAnswer {
  readonly errorCode: number
  /** The level that the whole cluster has agreed on, by name; absent: not known there. */
  readonly levels: ReadonlyMap<string, number>
  readonly clientSideThrottleTime: number
}

const NAME = { apiKey: 18, apiName: 'ApiVersions' }

/** Brokers refuse an empty name. */
const SOFTWARE = { name: 'sms-streams', version: '1' }

const FINALIZED_FEATURES_TAG = 2

/**
 * ApiVersions v3 (KIP-584), asked for what the cluster has agreed on and not for versions. From an
 * older broker comes v0, which knows of nothing agreed on. Redpanda answers without features.
 */
export const finalizedFeatures: CallFor<FeaturesAnswer> = (versions) =>
  ownCall(speaks(versions, VERSION_3) ? VERSION_3 : VERSION_0)(versions)

const VERSION_0: OwnRequest<FeaturesAnswer> = {
  ...NAME,
  apiVersion: 0,
  encode: () => new ByteWriter(),
  decode: (reader) => ({ errorCode: reader.int16(), levels: new Map(), clientSideThrottleTime: 0 }),
}

const VERSION_3: OwnRequest<FeaturesAnswer> = {
  ...NAME,
  apiVersion: 3,
  encode: () =>
    new ByteWriter().noTags().compactString(SOFTWARE.name).compactString(SOFTWARE.version).noTags(),
  decode,
}

/** Alone among flexible answers this one has no tags in its header. */
function decode(reader: ByteReader): FeaturesAnswer {
  const errorCode = reader.int16()
  reader.compactArray(() => {
    reader.skip(6)
    reader.skipTags()
  })
  const clientSideThrottleTime = reader.int32()
  const levels = new Map<string, number>()
  for (let left = reader.uvarint(); left > 0; left -= 1) {
    const tag = reader.uvarint()
    const end = reader.uvarint() + reader.at
    if (tag === FINALIZED_FEATURES_TAG)
      for (const [name, level] of reader.compactArray(() => decodeFeature(reader))) levels.set(name, level)
    reader.skip(end - reader.at)
  }
  return { errorCode, levels, clientSideThrottleTime }
}

function decodeFeature(reader: ByteReader): [string, number] {
  const feature: [string, number] = [reader.compactString(), reader.int16()]
  // The least level.
  reader.skip(2)
  reader.skipTags()
  return feature
}

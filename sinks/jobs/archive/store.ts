/** Where the files are kept: what the archive needs of S3 [DB61], and nothing more. */
export interface ObjectStore {
  readonly buckets: Buckets
  /** @throws StoreFailed when a bucket cannot be reached. */
  check(): Promise<void>
  /** Nothing is there until it is completed. */
  upload(place: Place): Promise<Upload>
  /** Bytes of an object; undefined: there is no such object. */
  sizeOf(place: Place): Promise<number | undefined>
  /** `until` is not read. */
  read(place: Place, from: number, until: number): Promise<Uint8Array>
  close(): void
}

export type Buckets = Readonly<Record<'archive' | 'orphans', string>>

export interface Place {
  readonly bucket: string
  readonly key: string
}

export interface Upload {
  /** Takes its own copy of what it must keep. */
  write(bytes: Uint8Array): Promise<void>
  complete(): Promise<void>
  /** Never rejects: what is left behind, the lifecycle rule of unfinished uploads takes. */
  abort(): Promise<void>
}

/** The text names the request and what S3 calls the fault; it quotes nothing of a row. */
export class StoreFailed extends Error {
  override readonly name = 'StoreFailed'
}

/** The place with its bucket: a bucket may be configured anew, and what is in the old one stays. */
export const uriOf = ({ bucket, key }: Place): string => `s3://${bucket}/${key}`

export function placeOf(uri: string): Place {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri) ?? []
  if (bucket === undefined || key === undefined)
    throw new Error('an object of the archive has no s3:// address')
  return { bucket, key }
}

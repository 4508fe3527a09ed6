import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { Buckets, ObjectStore, Place, Upload } from './store.ts'
import { StoreFailed } from './store.ts'

export interface S3Options {
  readonly buckets: Buckets
  /** Undefined: that of AWS in the region. */
  readonly endpoint: string | undefined
  /** Undefined: what the SDK finds in its own places. */
  readonly region: string | undefined
  /** Undefined: the SDK's chain (environment, profile, web identity, instance). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
}

const CONNECT_MS_MAX = 5_000
/** Without a byte in either direction; the SDK tries a request three times. */
const REQUEST_MS_MAX = 60_000
/** All parts but the last have this size, as some stores demand; two are in memory at most. */
const PART_BYTES = 16 * 1024 * 1024
/** S3 takes no more: a file has 160 GB at most. */
const PARTS_MAX = 10_000

export function s3Client({ endpoint, region, credentials }: S3Options): S3Client {
  return new S3Client({
    ...(region !== undefined && { region }),
    ...(credentials !== undefined && { credentials }),
    // Others than AWS seldom have a host name a bucket.
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    requestHandler: { connectionTimeout: CONNECT_MS_MAX, requestTimeout: REQUEST_MS_MAX },
  })
}

export function s3Store(options: S3Options): ObjectStore {
  const client = s3Client(options)
  const { buckets } = options
  return {
    buckets,
    check: async () => {
      for (const Bucket of new Set(Object.values(buckets)))
        await asked('HeadBucket', () => client.send(new HeadBucketCommand({ Bucket })))
    },
    upload: (place) => beginUpload(client, place),
    sizeOf: (place) => sizeOf(client, place),
    read: (place, from, until) => read(client, place, from, until),
    close: () => client.destroy(),
  }
}

const objectOf = ({ bucket, key }: Place) => ({ Bucket: bucket, Key: key })

async function beginUpload(client: S3Client, place: Place): Promise<Upload> {
  const begun = await asked('CreateMultipartUpload', () =>
    client.send(
      new CreateMultipartUploadCommand({
        ...objectOf(place),
        ContentType: 'application/vnd.apache.parquet',
        ChecksumAlgorithm: 'CRC32',
      }),
    ),
  )
  const upload = { ...objectOf(place), UploadId: begun.UploadId }
  const parts: { PartNumber: number; ETag: string | undefined; ChecksumCRC32: string | undefined }[] = []
  const send = async (Body: Buffer): Promise<void> => {
    const PartNumber = parts.length + 1
    if (PartNumber > PARTS_MAX) throw new StoreFailed(`UploadPart: a file has ${PARTS_MAX} parts at most`)
    const sent = await asked('UploadPart', () =>
      client.send(new UploadPartCommand({ ...upload, PartNumber, Body, ChecksumAlgorithm: 'CRC32' })),
    )
    parts.push({ PartNumber, ETag: sent.ETag, ChecksumCRC32: sent.ChecksumCRC32 })
  }
  const waiting = partsOf(send)
  return {
    write: waiting.write,
    complete: async () => {
      await waiting.end()
      const MultipartUpload = { Parts: parts }
      await asked('CompleteMultipartUpload', () =>
        client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload })),
      )
    },
    abort: async () => {
      await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
    },
  }
}

/** Cuts what is written into parts of one size. */
function partsOf(send: (part: Buffer) => Promise<void>) {
  let waiting: Buffer = Buffer.alloc(0)
  return {
    write: async (bytes: Uint8Array): Promise<void> => {
      waiting = Buffer.concat([waiting, bytes])
      for (; waiting.length >= PART_BYTES; waiting = Buffer.from(waiting.subarray(PART_BYTES)))
        await send(waiting.subarray(0, PART_BYTES))
    },
    /** The last may be of any size, and there must be one. */
    end: () => send(waiting),
  }
}

async function sizeOf(client: S3Client, place: Place): Promise<number | undefined> {
  const found = await asked('HeadObject', async () => {
    try {
      return await client.send(new HeadObjectCommand(objectOf(place)))
    } catch (error) {
      if (nameOf(error) === 'NotFound' || nameOf(error) === 'NoSuchKey') return undefined
      throw error
    }
  })
  return found?.ContentLength
}

async function read(client: S3Client, place: Place, from: number, until: number): Promise<Uint8Array> {
  const Range = `bytes=${from}-${until - 1}`
  return asked('GetObject', async () => {
    const { Body } = await client.send(new GetObjectCommand({ ...objectOf(place), Range }))
    const bytes = await Body?.transformToByteArray()
    if (bytes?.length !== until - from) throw new StoreFailed('GetObject: fewer bytes than asked for')
    return bytes
  })
}

/** @throws StoreFailed */
export async function asked<T>(request: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StoreFailed) throw error
    throw new StoreFailed(`${request} failed (${nameOf(error)})`)
  }
}

/** What S3 or the socket calls the fault: no more, for the text of an answer may quote anything. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.name
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { z } from 'zod'
import { startChild } from '../../../../dev/stack/child.ts'
import { runOrExplain } from '../../../../dev/stack/command.ts'
import { freePort } from '../../../../dev/stack/ports.ts'
import { pythonWith } from '../../../../dev/stack/python-tool.ts'
import { s3Client, type S3Options } from '../s3.ts'

/** An S3 server of somebody else's making, and somebody else's reader of Parquet files. */

const REQUIREMENTS = fileURLToPath(new URL('../../../../dev/stack/archive.txt', import.meta.url))

/** It ends with its owner, also with one that was killed. */
const SERVER = `
import os, sys, threading, time
from moto.server import main
owner, port = int(sys.argv[1]), sys.argv[2]
def watch():
    while os.getppid() == owner:
        time.sleep(0.5)
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
main(["-H", "127.0.0.1", "-p", port])
`

/** Every row as an object of texts; instants as microseconds since 1970. */
const READER = `
import duckdb, json, sys
file, query, answer = sys.argv[1:]
found = duckdb.connect().execute(query, [file])
names = [(d[0], str(d[1])) for d in found.description]
texts = ", ".join(
    f'epoch_us("{n}")::varchar AS "{n}"' if t.startswith("TIMESTAMP") else f'"{n}"::varchar AS "{n}"' for n, t in names)
rows = duckdb.connect().execute(f"SELECT {texts} FROM ({query})", [file]).fetchall()
with open(answer, "w") as out:
    json.dump({"types": dict(names), "rows": [dict(zip([n for n, _ in names], r)) for r in rows]}, out)
`

const Read = z.object({
  types: z.record(z.string(), z.string()),
  rows: z.array(z.record(z.string(), z.string().nullable())),
})

export interface S3Server {
  readonly options: S3Options
  readonly client: ReturnType<typeof s3Client>
  keys(bucket: string): Promise<readonly string[]>
  object(bucket: string, key: string): Promise<Uint8Array>
  /** As DuckDB reads it; `query` says `read_parquet(?)` where it means the object. */
  rows(bucket: string, key: string, query?: string): Promise<z.infer<typeof Read>>
  close(): Promise<void>
}

export async function startS3(): Promise<S3Server> {
  const python = await pythonWith(REQUIREMENTS)
  const folder = mkdtempSync(join(tmpdir(), 's3-'))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const server = await startChild(
    {
      name: 's3',
      command: python,
      args: ['-c', SERVER, String(process.pid), String(port)],
      cwd: folder,
      logFile: join(folder, 'server.log'),
      stopSignal: 'SIGTERM',
      stopWithinMs: 5_000,
      readyWithinMs: 120_000,
      isReady: () =>
        fetch(`${endpoint}/moto-api/`)
          .then(({ ok }) => ok)
          .catch(() => false),
    },
    () => {},
    new AbortController().signal,
  )
  const options = {
    buckets: { archive: 'the-archive', orphans: 'ghasi-dlr-archive' },
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
  }
  const client = s3Client(options)
  for (const Bucket of Object.values(options.buckets)) await client.send(new CreateBucketCommand({ Bucket }))
  const object = async (Bucket: string, Key: string) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }))
    if (Body === undefined) throw new Error('the object has no body')
    return Body.transformToByteArray()
  }
  return {
    options,
    client,
    object,
    keys: async (Bucket) => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
      return Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key]))
    },
    rows: async (bucket, key, query = 'SELECT * FROM read_parquet(?)') => {
      const [file, answer] = [join(folder, 'read.parquet'), join(folder, 'answer.json')]
      writeFileSync(file, await object(bucket, key))
      await runOrExplain('duckdb', python, ['-c', READER, file, query, answer])
      return Read.parse(JSON.parse(readFileSync(answer, 'utf8')))
    },
    close: async () => {
      client.destroy()
      await server.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

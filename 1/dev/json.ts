import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'

/**
 * JSON in the body of a control request to a stand-in. What does not fit its schema is a named
 * fault, never a half-read value.
 */
const BODY_BYTES_MAX = 1_048_576

export type Body<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string }

/** Reads a request body of at most 1 MiB; an empty one is read as `{}`. */
export async function readJsonBody<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<Body<T>> {
  const text = await readText(request)
  if (text === undefined) return { ok: false, message: 'body is too large' }
  const parsed = parseJson(text === '' ? '{}' : text)
  if (!parsed.ok) return { ok: false, message: 'body is not JSON' }
  const checked = schema.safeParse(parsed.value)
  if (checked.success) return { ok: true, value: checked.data }
  const faults = checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  return { ok: false, message: faults.join('; ') }
}

async function readText(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): { readonly ok: true; readonly value: unknown } | { readonly ok: false } {
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch {
    return { ok: false }
  }
}

import type { IncomingMessage } from 'node:http'
import { Problem } from '../problem.ts'
import type { ApiMiddleware } from '../state.ts'

/** A media type and its parameters (RFC 9110 8.3.1), with the blanks that clients put there. */
const JSON_TYPE = /^application\/json(?<parameters>(?:[ \t]*;[^;]*)*)$/i
const PARAMETER = /^[ \t]*(?:(?<name>[^\s="]+)[ \t]*=[ \t]*(?:"(?<quoted>[^"]*)"|(?<bare>[^\s"]+)))?[ \t]*$/

/**
 * Reads JSON of at most `bytesMax` bytes into `ctx.state.json`. The bytes are counted as they
 * arrive, whatever Content-Length says. Nothing is parsed before the count is known to be within
 * the limit. What JSON.parse returns is only read through a schema and never merged into anything,
 * so a `__proto__` member does no harm.
 */
export const jsonBody =
  (bytesMax: number): ApiMiddleware =>
  async (ctx, next) => {
    refuseOtherMedia(ctx.req)
    ctx.state.json = parse(await readBytes(ctx.req, bytesMax))
    await next()
  }

function refuseOtherMedia(request: IncomingMessage): void {
  const type = request.headers['content-type'] ?? ''
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (!isUtf8Json(type) || encoding.toLowerCase() !== 'identity') throw new Problem('UNSUPPORTED_MEDIA_TYPE')
}

/** [ID2]. Other parameters say nothing about how to read the bytes. */
function isUtf8Json(type: string): boolean {
  const parameters = JSON_TYPE.exec(type.trim())?.groups?.['parameters']
  if (parameters === undefined) return false
  return parameters
    .split(';')
    .slice(1)
    .map((text) => PARAMETER.exec(text)?.groups)
    .every((given) => {
      if (given === undefined) return false
      if (given['name']?.toLowerCase() !== 'charset') return true
      return (given['quoted'] ?? given['bare'])?.trim().toLowerCase() === 'utf-8'
    })
}

/**
 * Listeners instead of `for await`: left early, that destroys the request, and with it the socket
 * for the answer.
 */
function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
    request.resume()
    return Promise.reject(new Problem('REQUEST_TOO_LARGE'))
  }
  const chunks: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      // Beyond the limit the rest is read and dropped until the connection closes: unread bytes
      // would reset it, and the client might never see the answer.
      if (bytes <= bytesMax) chunks.push(chunk)
      else reject(new Problem('REQUEST_TOO_LARGE'))
    })
    request.once('end', () => resolve(Buffer.concat(chunks, bytes)))
    // The client has gone: nobody reads the answer, which only ends the handling.
    request.once('error', () => reject(new Problem('INVALID_PAYLOAD')))
    request.once('aborted', () => reject(new Problem('INVALID_PAYLOAD')))
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    // The parser's own message quotes the text.
    throw new Problem('INVALID_PAYLOAD', [{ path: '', message: 'must be JSON in UTF-8' }])
  }
}

import type { IncomingMessage } from 'node:http'
import { Problem } from '../problem.ts'
import type { ApiMiddleware } from '../state.ts'

const JSON_TYPE = /^application\/json *(;.*)?$/i
const OTHER_CHARSET = /; *charset *= *"?(?!utf-8)/i

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
  if (!JSON_TYPE.test(type) || OTHER_CHARSET.test(type) || encoding.toLowerCase() !== 'identity')
    throw new Problem('UNSUPPORTED_MEDIA_TYPE')
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

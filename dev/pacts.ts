import { createServer, type IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { VerifierOptions } from '@pact-foundation/pact-core'
import { z } from 'zod'
import { runCommand } from './stack/command.ts'

/**
 * What a consumer relies on, in `docs/pacts/`, held by the Pact foundation's verifier against what
 * we make.
 */
export type Consumer = 'billing-service' | 'webhook-dispatcher' | 'sms-client'

/** A message as it goes out: its payload, and the headers that a consumer may rely on. */
export interface MadeMessage {
  readonly payload: unknown
  readonly headers: Readonly<Record<string, string>>
}

const Asked = z.object({
  description: z.string(),
  providerStates: z.array(
    z.object({ name: z.string(), params: z.record(z.string(), z.unknown()).default({}) }),
  ),
})
export type AskedMessage = z.infer<typeof Asked>

/**
 * What the verifier says against the messages that `make` gives; nothing when all are what the
 * consumer expects of their descriptions.
 */
export async function complaintsAboutMessages(
  consumer: Consumer,
  make: (asked: AskedMessage) => MadeMessage,
): Promise<string> {
  const server = createServer((request, response) => {
    void bodyOf(request).then((text) => {
      const { payload, headers } = make(Asked.parse(JSON.parse(text)))
      const metadata = JSON.stringify({ contentType: 'application/json', ...headers })
      response.setHeader('Content-Type', 'application/json')
      response.setHeader('Pact-Message-Metadata', Buffer.from(metadata).toString('base64'))
      response.end(JSON.stringify(payload))
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP port')
  const { port } = address
  try {
    const transports = [{ protocol: 'message', port, path: '/messages', scheme: 'http' }]
    return await verify(consumer, { providerBaseUrl: `http://127.0.0.1:${port}`, transports })
  } finally {
    server.close()
  }
}

/** The same of the answers of an API. `headers` are the credentials of the consumer. */
export const complaintsAboutAnswers = (
  consumer: Consumer,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> => verify(consumer, { providerBaseUrl: url, customProviderHeaders: headers })

/** In a process of its own: the verifier is native code that writes its report to stdout. */
const VERIFIER = `
  import { Verifier } from '@pact-foundation/pact-core'
  new Verifier(JSON.parse(process.argv[1])).verify().catch(() => process.exit(1))`

async function verify(consumer: Consumer, options: VerifierOptions): Promise<string> {
  const file = fileURLToPath(new URL(`../docs/pacts/${consumer}.json`, import.meta.url))
  const given = { provider: 'sms-streams', pactUrls: [file], logLevel: 'error', ...options }
  const { code, output } = await runCommand(
    process.execPath,
    ['--input-type=module', '-e', VERIFIER, JSON.stringify(given)],
    // It would tell its makers that it was used.
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { ...process.env, PACT_DO_NOT_TRACK: 'true' },
    },
  )
  return code === 0 ? '' : output
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return text
}

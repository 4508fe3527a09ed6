import { runDemo } from './demo/run.ts'
import { SAMPLE_IDENTITY } from './demo/traffic.ts'
import { startPlatform } from './platform/platform.ts'
import { withStack } from './stack/with-stack.ts'

/**
 * `npm start`: brings everything up, sends sample traffic, says where things are, and stays up until Ctrl-C.
 */
const SAMPLE_MESSAGES = 200

const say = (line: string): void => console.error(`[start] ${line}`)

process.exitCode = await withStack(async (stack, abort) => {
  const platform = await startPlatform({ stack, abort, say })
  try {
    const { ports, runPath } = platform
    await runDemo(platform, { messages: SAMPLE_MESSAGES, kill: [], abort, table: true })
    console.log(
      [
        '',
        `API        ${platform.apiUrl}  (POST /v1/sms/send)`,
        `metrics    http://127.0.0.1:{${[ports.api, ports.topologies, ports.bridges, ports.sinks, ports.gateway].join(',')}}/metrics`,
        `operators  ${platform.smscControlUrl}/counters  (the simulated SMSC)`,
        `logs       ${runPath}/*.log`,
        `token      ${await platform.identity.token(SAMPLE_IDENTITY)}`,
        `tenant     ${SAMPLE_IDENTITY.tenantId}`,
        '',
        'Running. Ctrl-C ends everything.',
      ].join('\n'),
    )
    if (!abort.aborted)
      await new Promise((resolve) => abort.addEventListener('abort', resolve, { once: true }))
    return 0
  } finally {
    say('stopping ...')
    await platform.close()
  }
})

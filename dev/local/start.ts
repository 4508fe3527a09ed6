import { runDemo } from '../proofs/demo/run.ts'
import { SAMPLE_IDENTITY } from '../proofs/demo/traffic.ts'
import { startPlatform } from './platform.ts'
import { withStack } from '../stack/with-stack.ts'

/**
 * `npm start`: brings everything up, sends sample traffic, says where things are, and stays up until Ctrl-C.
 */
const SAMPLE_MESSAGES = 200

const say = (line: string): void => console.error(`[start] ${line}`)

process.exitCode = await withStack(async (stack, abort) => {
  const platform = await startPlatform({ stack, abort, say })
  try {
    const { ports, runPath } = platform
    const report = await runDemo(platform, { messages: SAMPLE_MESSAGES, kill: [], abort, table: true })
    for (const violation of report.violations) say(`VIOLATION ${violation}`)
    const token = await platform.identity.token(SAMPLE_IDENTITY)
    console.log(
      [
        '',
        `sample     ${report.accepted} messages accepted, ${report.billingEvents} billed, ${report.lost} lost`,
        `API        ${platform.apiUrl}  (POST /v1/sms/send)`,
        `metrics    http://127.0.0.1:{${[ports.api, ports.topologies, ports.bridges, ports.sinks, ports.gateway].join(',')}}/metrics`,
        `operators  ${platform.smscControlUrl}/counters  (the simulated SMSC)`,
        `logs       ${runPath}/*.log`,
        '',
        'Send one yourself, then read it by the messageId that comes back:',
        '',
        `T=${token}`,
        `curl -s ${platform.apiUrl}/v1/sms/send -H "authorization: Bearer $T" -H 'x-tenant-id: ${SAMPLE_IDENTITY.tenantId}' -H 'content-type: application/json' -d '{"to":"+447700900123","from":"GHASI","body":"hello"}'`,
        `curl -s ${platform.apiUrl}/v1/sms/MESSAGE_ID/segments -H "authorization: Bearer $T" -H 'x-tenant-id: ${SAMPLE_IDENTITY.tenantId}'`,
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

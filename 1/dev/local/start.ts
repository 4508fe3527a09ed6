import { runDemo } from '../proofs/demo/run.ts'
import { SAMPLE_IDENTITY } from '../proofs/demo/traffic.ts'
import { startPlatform } from './platform.ts'
import { withStack } from '../stack/with-stack.ts'

/**
 * `npm start`: brings everything up, sends sample traffic, says where things are, and stays up
 * until Ctrl-C.
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
    const metrics = [ports.api, ports.topologies, ports.bridges, ports.sinks, ports.jobs, ports.gateway]
    console.log(
      [
        '',
        `sample     ${report.accepted} messages accepted, ${report.billingEvents} billed, ${report.lost} lost`,
        `metrics    http://127.0.0.1:{${metrics.join(',')}}/metrics`,
        `operators  ${platform.smscControlUrl}/counters  (the simulated SMSC)`,
        `logs       ${runPath}/*.log`,
        '',
        'Paste these lines into another shell, then the curl lines of README.md:',
        '',
        `export API=${platform.apiUrl}`,
        `export TENANT=${SAMPLE_IDENTITY.tenantId}`,
        `export TOKEN=${token}`,
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

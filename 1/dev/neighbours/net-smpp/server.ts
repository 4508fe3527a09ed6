import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ensurePrograms, locate } from '../../stack/install.ts'
import { freePort } from '../../stack/ports.ts'

export interface NetSmpp {
  readonly port: number
  /** Its lines: `bind 0`, `taken TO DATA_CODING OCTETS`, `throttled`, `acknowledged 0`. */
  readonly lines: readonly string[]
  close(): Promise<void>
}

const say = (line: string): void => void process.stderr.write(`[net-smpp] ${line}\n`)
const SCRIPT = fileURLToPath(new URL('smsc.pl', import.meta.url))

/** Installs Perl's Net::SMPP where it is missing and may be installed. */
export async function startNetSmpp(password: string): Promise<NetSmpp> {
  await ensurePrograms(['perl', 'net-smpp'], say, new AbortController().signal)
  const port = await freePort()
  const child = spawn(await locate('perl'), [SCRIPT, String(port), password], {
    // The library complains about every client that just closes its line.
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const lines: string[] = []
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(line))
  await once(output, 'line')
  return {
    port,
    lines,
    close: async () => {
      if (child.exitCode !== null) return
      child.kill()
      await once(child, 'exit')
    },
  }
}

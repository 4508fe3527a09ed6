import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { answers } from '../../stack/answers.ts'
import { startChild, type Child } from '../../stack/child.ts'
import { ensurePrograms, locate } from '../../stack/install.ts'
import { freePort } from '../../stack/ports.ts'
import { KannelBox } from './box.ts'

export interface BearerboxOptions {
  /** Of the operator. While nobody listens there, messages are kept, and binds tried. */
  readonly port: number
  readonly systemId: string
  readonly password: string
  /** Unanswered submits at a time. */
  readonly window: number
}

const SMSC = 'operator'
const PASSWORD = 'admin'
const POLL_MS = 20

const say = (line: string): void => void process.stderr.write(`[kannel] ${line}\n`)

/** A bearerbox of one's own, with one transceiver to one operator. */
export class Bearerbox {
  readonly #folder: string
  readonly #child: Child
  readonly #adminPort: number
  readonly box: KannelBox

  private constructor(child: Child, adminPort: number, box: KannelBox, folder: string) {
    this.#child = child
    this.#adminPort = adminPort
    this.box = box
    this.#folder = folder
  }

  /**
   * Installs Kannel where it is missing and may be installed.
   *
   * @throws with what to install, where it may not
   */
  static async start(options: BearerboxOptions): Promise<Bearerbox> {
    await ensurePrograms(['bearerbox'], say, new AbortController().signal)
    const folder = mkdtempSync(join(tmpdir(), 'kannel-'))
    const [adminPort, boxPort] = [await freePort(), await freePort()]
    const file = join(folder, 'kannel.conf')
    writeFileSync(file, configuration({ ...options, folder, adminPort, boxPort }))
    const spec = {
      name: 'kannel',
      command: await locate('bearerbox'),
      args: [file],
      cwd: folder,
      logFile: join(folder, 'kannel.log'),
      stopSignal: 'SIGTERM' as const,
      stopWithinMs: 10_000,
      readyWithinMs: 60_000,
      isReady: () => answers(adminPort, 'GET /status.txt HTTP/1.0\r\n\r\n', 'Kannel bearerbox'),
    }
    const child = await startChild(spec, () => {}, new AbortController().signal)
    return new Bearerbox(child, adminPort, await KannelBox.connect(boxPort), folder)
  }

  /** Until the operator has taken its bind. */
  async bound(): Promise<void> {
    while (!(await this.#admin('status.txt')).includes('(online')) await sleep(POLL_MS)
  }

  /** User and system time of the bearerbox so far, microseconds. */
  cpuMicros(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS
  }

  async close(): Promise<void> {
    this.box.close()
    await this.#child.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #admin(command: string): Promise<string> {
    const separator = command.includes('?') ? '&' : '?'
    const response = await fetch(
      `http://127.0.0.1:${this.#adminPort}/${command}${separator}password=${PASSWORD}`,
    )
    return response.text()
  }
}

/** Linux counts processor time in hundredths of a second, as far as programs are told. */
const TICK_MICROS = 10_000

type Configured = BearerboxOptions & {
  readonly folder: string
  readonly adminPort: number
  readonly boxPort: number
}

/**
 * Its log holds warnings only: a line for every PDU would slow it down. Reports are found again in
 * memory (`dlr-storage`), which is faster than any durable way that it has.
 */
const configuration = ({
  port,
  systemId,
  password,
  window,
  folder,
  adminPort,
  boxPort,
}: Configured): string => `
group = core
admin-port = ${adminPort}
admin-interface = 127.0.0.1
admin-password = ${PASSWORD}
smsbox-port = ${boxPort}
box-allow-ip = 127.0.0.1
store-type = file
store-location = ${join(folder, 'store')}
dlr-storage = internal
log-file = ${join(folder, 'bearerbox.log')}
log-level = 2

group = smsbox
bearerbox-host = 127.0.0.1

group = smsc
smsc = smpp
smsc-id = ${SMSC}
host = 127.0.0.1
port = ${port}
transceiver-mode = true
smsc-username = ${systemId}
smsc-password = ${password}
system-type = ""
max-pending-submits = ${window}
reconnect-delay = 1
dest-addr-ton = 1
dest-addr-npi = 1
`

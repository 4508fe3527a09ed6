import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { answers } from './answers.ts'
import type { Prepared, Workplace } from './workplace.ts'

/**
 * NATS with JetStream on one port; every limit is the server's default, among them a payload of 1
 * MiB.
 */
export const prepareNats = async ({ run, port, binary }: Workplace): Promise<Prepared> => {
  const folder = join(run.path, 'nats')
  mkdirSync(folder)
  const listen = await port()
  return {
    address: `nats://127.0.0.1:${listen}`,
    child: {
      name: 'nats',
      command: await binary('nats-server'),
      args: ['--addr', '127.0.0.1', '--port', String(listen), '--jetstream', '--store_dir', folder],
      cwd: folder,
      logFile: join(run.path, 'nats.log'),
      stopSignal: 'SIGTERM',
      stopWithinMs: 10_000,
      readyWithinMs: 30_000,
      // The server greets with its INFO line, in which `jetstream` says that the store is open.
      isReady: async () => answers(listen, '', '"jetstream":true'),
    },
  }
}

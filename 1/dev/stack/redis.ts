import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { answers } from './answers.ts'
import type { Prepared, Workplace } from './workplace.ts'

/**
 * Redis on one port, with an append-only file so that a restart in a fault test keeps what it had.
 */
export const prepareRedis = async ({ run, port, binary }: Workplace): Promise<Prepared> => {
  const folder = join(run.path, 'redis')
  mkdirSync(folder)
  const listen = await port()
  const settings = {
    port: String(listen),
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    daemonize: 'no',
  }
  return {
    address: `redis://127.0.0.1:${listen}`,
    child: {
      name: 'redis',
      command: await binary('redis-server'),
      args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      cwd: folder,
      logFile: join(run.path, 'redis.log'),
      stopSignal: 'SIGTERM',
      stopWithinMs: 5_000,
      readyWithinMs: 30_000,
      isReady: async () => answers(listen, 'PING\r\n', '+PONG'),
    },
  }
}

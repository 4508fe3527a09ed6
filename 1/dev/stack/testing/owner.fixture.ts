import { startServers } from '../stack.ts'

/**
 * A stack owner for leftovers.wire.test.ts to kill: starts Redis below the given root, says where,
 * and stays.
 */
const servers = await startServers(['redis'], {
  root: process.argv[2] ?? '',
  docker: 'never',
  env: {},
  say: () => undefined,
})
console.log(
  JSON.stringify({ pid: servers.local.get('redis')?.pid(), address: servers.addresses.get('redis') }),
)

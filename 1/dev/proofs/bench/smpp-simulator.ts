import { z } from 'zod'
import { startSmsc } from '../../neighbours/smsc/server.ts'
import { given, onWord, tell } from './smpp-children.ts'

/** The simulated operator in a process of its own: what it measures must not share its thread. */
const { responseDelayMs, port } = z
  .object({ responseDelayMs: z.number(), port: z.number().optional() })
  .parse(given())

const smsc = await startSmsc({
  operators: [{ systemId: 'bench', password: 'bench', responseDelayMs }],
  ...(port !== undefined && { port }),
})
onWord('end', () => process.exit(0))
tell({ kind: 'listening', port: smsc.port })

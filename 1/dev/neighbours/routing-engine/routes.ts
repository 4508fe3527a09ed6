import { z } from 'zod'
import { uuid } from '../../../streams/contracts/topic.ts'

/** All numbers that start with `prefix` go to `operatorId`; the longest prefix wins. */
export const Route = z.object({
  prefix: z.string().regex(/^\+\d{0,15}$/, 'must be a plus sign and digits'),
  operatorId: uuid,
  routeId: z.string().min(1),
  backupOperatorId: uuid.exactOptional(),
})
export type Route = z.infer<typeof Route>

export class RouteTable {
  readonly #byPrefix: ReadonlyMap<string, Route>

  constructor(routes: readonly Route[]) {
    this.#byPrefix = new Map(routes.map((route) => [route.prefix, route]))
  }

  /** Longest-prefix match: at most 16 look-ups, whatever the size of the table. */
  find(e164: string): Route | undefined {
    for (let length = e164.length; length > 0; length--) {
      const route = this.#byPrefix.get(e164.slice(0, length))
      if (route !== undefined) return route
    }
    return undefined
  }
}

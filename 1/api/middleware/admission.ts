import { Problem } from '../problem.ts'
import { identityOf, type ApiMiddleware } from '../state.ts'

/** How many requests are being worked on, for whom. */
export interface Admission {
  /**
   * Takes `places` for one request of the tenant; undefined when it has to be refused. Call what is
   * returned once, when the request is over.
   */
  enter(tenantId: string, places: number): (() => void) | undefined
}

/**
 * Bounds what is in flight [ER19]: `placesMax` in all, and half of that for one tenant, so that a
 * flood of one leaves room for the others. Beyond that a request is refused at once: waiting would
 * only fill memory with requests whose clients have gone.
 */
export function admission(placesMax: number): Admission {
  const taken = new Map<string, number>()
  let total = 0
  return {
    enter(tenantId, places) {
      const own = taken.get(tenantId) ?? 0
      if (total + places > placesMax || own + places > placesMax / 2) return undefined
      total += places
      taken.set(tenantId, own + places)
      return () => {
        total -= places
        const left = (taken.get(tenantId) ?? 0) - places
        if (left > 0) taken.set(tenantId, left)
        else taken.delete(tenantId)
      }
    },
  }
}

/** Behind the identity, before the body: what is refused costs a signature, and no memory. */
export const admitted =
  (gate: Admission, places = 1): ApiMiddleware =>
  async (ctx, next) => {
    const leave = gate.enter(identityOf(ctx).tenantId, places)
    if (leave === undefined) throw new Problem('OVERLOADED')
    try {
      await next()
    } finally {
      leave()
    }
  }

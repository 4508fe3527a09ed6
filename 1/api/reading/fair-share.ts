import { Problem } from '../problem.ts'

export interface FairShare {
  /** Runs `work` when the tenant has a place; a Problem OVERLOADED when none comes free in time. */
  run<T>(tenantId: string, work: () => Promise<T>): Promise<T>
}

export interface FairShareOptions {
  /** At the same time, of one tenant. */
  readonly placesMax: number
  readonly waitMsMax: number
}

interface Tenant {
  places: number
  readonly waiting: (() => void)[]
}

/**
 * Keeps one tenant from holding all connections of a pool [ER19]: what is beyond its places waits,
 * and only for its own. How many wait is bounded by what may be in flight at all.
 */
export function fairShare({ placesMax, waitMsMax }: FairShareOptions): FairShare {
  const tenants = new Map<string, Tenant>()

  const enter = (tenantId: string): Promise<void> => {
    const tenant = tenants.get(tenantId) ?? { places: placesMax, waiting: [] }
    tenants.set(tenantId, tenant)
    if (tenant.places > 0) {
      tenant.places -= 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const goOn = (): void => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        tenant.waiting.splice(tenant.waiting.indexOf(goOn), 1)
        reject(new Problem('OVERLOADED'))
      }, waitMsMax)
      tenant.waiting.push(goOn)
    })
  }
  const leave = (tenantId: string): void => {
    const tenant = tenants.get(tenantId)
    if (tenant === undefined) return
    const next = tenant.waiting.shift()
    if (next !== undefined) return next()
    tenant.places += 1
    if (tenant.places === placesMax) tenants.delete(tenantId)
  }
  return {
    async run(tenantId, work) {
      await enter(tenantId)
      try {
        return await work()
      } finally {
        leave(tenantId)
      }
    },
  }
}

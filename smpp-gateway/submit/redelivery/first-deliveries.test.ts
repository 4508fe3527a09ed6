import { describe, expect, it } from 'vitest'
import { FirstDeliveries } from './first-deliveries.ts'

const message = (seq: number, redelivered = false) => ({ seq, redelivered })

describe('[S4] a delivery is the first of its command', () => {
  it('when NATS says so and it is newer than all that was taken', () => {
    const deliveries = new FirstDeliveries()
    deliveries.begin(0)
    expect([500, 501, 501, 500, 502].map((seq) => deliveries.isFirst(message(seq)))).toEqual([
      true,
      true,
      false,
      false,
      true,
    ])
    expect(deliveries.isFirst(message(600, true))).toBe(false)
    expect(deliveries.isFirst(message(599))).toBe(false)
    expect(deliveries.isFirst(message(600))).toBe(false)
    expect(deliveries.isFirst(message(601))).toBe(true)
  })

  it('when it is newer than what NATS may have stepped back to before this owner began', () => {
    const deliveries = new FirstDeliveries()
    deliveries.begin(1_000)
    expect(deliveries.isFirst(message(1_001))).toBe(false)
    expect(deliveries.isFirst(message(1_100))).toBe(false)
    expect(deliveries.isFirst(message(1_101))).toBe(true)
  })

  it('never before it is known where this owner began', () => {
    const deliveries = new FirstDeliveries()
    expect(deliveries.isFirst(message(1))).toBe(false)
    deliveries.begin(0)
    expect(deliveries.isFirst(message(101))).toBe(true)
    deliveries.handedOver()
    expect(deliveries.isFirst(message(102))).toBe(false)
  })

  it('and a pull that begins anew under the same owner changes nothing, another owner meanwhile does', () => {
    const deliveries = new FirstDeliveries()
    deliveries.begin(0)
    deliveries.begin(5_000)
    expect(deliveries.isFirst(message(200))).toBe(true)
    deliveries.handedOver()
    deliveries.begin(5_000)
    expect(deliveries.isFirst(message(5_050))).toBe(false)
    deliveries.handedOver()
    deliveries.begin(100)
    expect(deliveries.isFirst(message(5_050))).toBe(false)
    expect(deliveries.isFirst(message(5_101))).toBe(true)
  })
})

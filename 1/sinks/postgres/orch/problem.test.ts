import { describe, expect, it } from 'vitest'
import { problemOf } from './problem.ts'

describe('last error of a message', () => {
  it('DAT-13 is a problem that says which event caused it', () => {
    const error = { code: 'no_route', detail: 'routing-engine NOT_FOUND' }
    expect(problemOf(error, '62ac2b3a-3e03-56aa-862d-fb31e98457bb')).toEqual({
      type: 'https://docs.ghasi.io/problems/no-route',
      title: 'No route',
      detail: 'routing-engine NOT_FOUND',
      instance: 'urn:uuid:62ac2b3a-3e03-56aa-862d-fb31e98457bb',
      code: 'NO_ROUTE',
    })
  })
})

import { describe, expect, it } from 'vitest'
import { LogError } from '../../port.ts'
import { ConnectionLost } from '../wire/connection-lost.ts'
import { BrokerError } from './broker-error.ts'
import { outcomeOf, unknownUnlessFenced } from './outcome.ts'

const codeOf = (error: unknown): string => (error instanceof LogError ? error.code : 'not of the port')

describe('an error after which nothing has happened', () => {
  it.each([
    [6, 'NOT_LEADER_OR_FOLLOWER', 'retriable'],
    [14, 'COORDINATOR_LOAD_IN_PROGRESS', 'retriable'],
    [16, 'NOT_COORDINATOR', 'retriable'],
    [51, 'CONCURRENT_TRANSACTIONS', 'retriable'],
    [59, 'UNKNOWN_PRODUCER_ID', 'retriable'],
    [120, 'TRANSACTION_ABORTABLE', 'retriable'],
    [47, 'INVALID_PRODUCER_EPOCH', 'fenced'],
    [90, 'PRODUCER_FENCED', 'fenced'],
    [10, 'MESSAGE_TOO_LARGE', 'fatal'],
    [12, 'OFFSET_METADATA_TOO_LARGE', 'fatal'],
    [53, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'fatal'],
    [999, 'broker error', 'fatal'],
  ])('%i %s is %s', (code, name, expected) => {
    const outcome = outcomeOf(new BrokerError(code, 'Request'))
    expect(codeOf(outcome)).toBe(expected)
    expect(outcome).toMatchObject({ message: `Request: ${name} (${code})` })
  })

  it('is retriable when the way to the broker is broken', () => {
    expect(codeOf(outcomeOf(new ConnectionLost('cut')))).toBe('retriable')
  })

  it('stays what it is when it is its own or a mistake', () => {
    const own = new LogError('fatal', 'there is no topic t')
    const mistake = new TypeError('undefined is not a function')
    expect(outcomeOf(own)).toBe(own)
    expect(outcomeOf(mistake)).toBe(mistake)
  })
})

describe('an error after which something may have happened', () => {
  it('is unknown, unless it says that another has taken over', () => {
    expect(codeOf(unknownUnlessFenced(new BrokerError(10, 'EndTxn')))).toBe('unknown')
    expect(codeOf(unknownUnlessFenced(new ConnectionLost('cut')))).toBe('unknown')
    expect(codeOf(unknownUnlessFenced(new TypeError('a mistake')))).toBe('unknown')
    expect(codeOf(unknownUnlessFenced(new BrokerError(47, 'EndTxn')))).toBe('fenced')
  })
})

import { cancelExample, requestExample } from '../../../streams/contracts/examples.ts'
import type { Route } from '../../../streams/contracts/lookups.ts'
import {
  dispatchCommands,
  outboundCancels,
  outboundDeadLetters,
  outboundRequests,
  outboundRetries,
  statusEvents,
  type OutboundCancel,
  type OutboundRequest,
} from '../../../streams/contracts/outbound.ts'
import type { Answer, Question } from '../../../streams/contracts/question.ts'
import { segmentFacts } from '../../../streams/contracts/receipts.ts'
import { Driver, type PipeOptions } from '../../../streams/testing/driver.ts'
import { outbound, type OutboundOptions } from '../outbound.ts'

/**
 * What the tests of `outbound` share: a message, an answering routing engine, and one look at
 * everything emitted.
 */

export const START = Date.parse('2026-04-18T10:23:40.020Z')
export const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
export const route: Route = { operatorId, routeId: 'rt-44-a' }
export const messageId = requestExample.messageId

export type Reply = (now: number, call: number) => Answer<Route>
export const found: Reply = (at) => ({ kind: 'found', value: route, at })
export const absent: Reply = (at) => ({ kind: 'absent', at })
export const refused: Reply = (at) => ({ kind: 'refused', reason: 'INVALID_ARGUMENT', at })
export const unavailable =
  (reason = 'UNAVAILABLE'): Reply =>
  (at) => ({ kind: 'unavailable', reason, at })

export class World {
  readonly driver: Driver
  /** How the engine answers from now on. */
  reply: Reply
  readonly questions: Question<unknown>[] = []

  constructor(reply: Reply = found, options: OutboundOptions = {}, now = START) {
    this.reply = reply
    this.driver = new Driver([outbound(options)], {
      now,
      answer: (question, at) => {
        this.questions.push(question)
        return this.reply(at, this.asked)
      },
    })
  }

  get asked(): number {
    return this.questions.length
  }

  request(changes: Partial<OutboundRequest> = {}, options: PipeOptions = {}): number {
    return this.driver.pipe(outboundRequests, { ...requestExample, ...changes }, options)
  }

  cancel(changes: Partial<OutboundCancel> = {}, options: PipeOptions = {}): number {
    return this.driver.pipe(outboundCancels, { ...cancelExample, ...changes }, options)
  }

  /** All that was emitted since the last look, checked against its schema. */
  emitted() {
    return {
      statuses: this.driver.read(statusEvents),
      retries: this.driver.read(outboundRetries),
      deadLetters: this.driver.read(outboundDeadLetters),
      commands: this.driver.read(dispatchCommands),
      facts: this.driver.read(segmentFacts),
    }
  }

  get row() {
    return this.driver.row('messages', messageId)
  }

  noted(event: string) {
    return this.driver.notes.filter((note) => note.event === event).map((note) => note.fields)
  }
}

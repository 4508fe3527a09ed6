import { problemType } from '../../../streams/contracts/problem.ts'

/** RFC 9457, as the API shows it [RD1]. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly detail: string
  readonly instance: string
  readonly code: string
}

/**
 * What a status event says went wrong, with a code in the spelling of the API's own. It depends on
 * the event only, so that a second processing stores the same.
 */
export function problemOf(
  error: { readonly code: string; readonly detail: string },
  eventId: string,
): Problem {
  const words = error.code
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
  const title = words.join(' ')
  return {
    type: problemType(words.join('-')),
    title: title.charAt(0).toUpperCase() + title.slice(1),
    detail: error.detail,
    instance: `urn:uuid:${eventId}`,
    code: words.join('_').toUpperCase(),
  }
}

import { Ajv2020 } from 'ajv/dist/2020.js'
import { apiDocument } from '../openapi/document.ts'
import type { Answer } from './call.suite.ts'

/**
 * With closed schemas: what our answers hold is described, or it is a mistake. Clients are told
 * less.
 */
const document = apiDocument({ closed: true })
// Formats are left to the patterns beside them: ajv knows none by itself.
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
ajv.addSchema(document, 'api')

const templates = Object.keys(document.paths).map((path) => ({
  path,
  pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}))
/** Of the cluster, or pages for people: not part of the document. */
const OUTSIDE = /^\/(health|ready|metrics|openapi\.json|docs|problems)(\/|$)/

/** @throws when the answer is not one that the document allows there. */
export function checkAnswer(method: string, url: string, answer: Answer): void {
  const { pathname } = new URL(url)
  // A path of its own comes before one with parameters.
  const [template] = templates
    .filter(({ pattern }) => pattern.test(pathname))
    .toSorted((left, right) => left.path.indexOf('{') - right.path.indexOf('{'))
  const operation = document.paths[template?.path ?? '']?.[method.toLowerCase()]
  if (operation === undefined) return checkUndescribed(pathname, answer)
  const media = String(answer.headers['content-type']).split(';')[0] ?? ''
  const response = operation.responses[answer.status]
  if (response === undefined) throw unfit(pathname, answer, `status ${answer.status} is not described`)
  if (response.content[media] === undefined) throw unfit(pathname, answer, `${media} is not described`)
  check(
    [
      'paths',
      template?.path ?? '',
      method.toLowerCase(),
      'responses',
      answer.status,
      'content',
      media,
      'schema',
    ],
    pathname,
    answer,
    valuesOf(media, answer),
  )
}

/** Of an answer in lines each is judged; of a table that it is a text. */
function valuesOf(media: string, { text, json }: Answer): readonly unknown[] {
  if (media === 'text/csv') return [text]
  if (media !== 'application/x-ndjson') return [json]
  return text.split('\n').flatMap((line): readonly unknown[] => (line === '' ? [] : [JSON.parse(line)]))
}

/** Whoever asks for what is not there is told so by a problem. */
function checkUndescribed(pathname: string, answer: Answer): void {
  if (OUTSIDE.test(pathname) && answer.status < 400) return
  if (pathname.startsWith('/ready') || pathname.startsWith('/health')) return
  if (answer.status < 400) throw unfit(pathname, answer, 'the operation is not described')
  if (answer.headers['content-type'] !== 'application/problem+json')
    throw unfit(pathname, answer, 'a refusal is no problem')
  check(['components', 'schemas', 'Problem'], pathname, answer, [answer.json])
}

function check(
  place: readonly (string | number)[],
  pathname: string,
  answer: Answer,
  values: readonly unknown[],
): void {
  const pointer = place.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')
  const validate = ajv.compile({ $ref: `api#/${encodeURI(pointer)}` })
  for (const value of values)
    if (!validate(value)) throw unfit(pathname, answer, ajv.errorsText(validate.errors))
}

const unfit = (pathname: string, { status }: Answer, why: string): Error =>
  new Error(`the answer ${status} of ${pathname} does not fit the document: ${why}`)

import { z } from 'zod'
import { PROBLEMS, type ProblemBody, type ProblemCode } from '../problem.ts'
import { FaultSchema, type Operation, type Shape } from './operation.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

const codes = Object.keys(PROBLEMS).filter((code): code is ProblemCode => Object.hasOwn(PROBLEMS, code))

/** [ER1] */
const ProblemSchema: z.ZodType<ProblemBody> = z.object({
  type: z.url(),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string(),
  instance: z.string(),
  code: z.enum(codes),
  errors: z.array(FaultSchema).exactOptional(),
})

export const PROBLEM: Shape = {
  name: 'Problem',
  schema: ProblemSchema,
  description: 'Why a request was not done (RFC 9457). `type` leads to the page of the code.',
  example: {
    type: 'https://docs.ghasi.io/problems/invalid-destination',
    title: 'Invalid destination',
    status: 400,
    detail: 'to is not a valid number',
    instance: 'urn:uuid:0195f7c2-5d0e-7aa1-8d3b-2f9c61f4e0aa',
    code: 'INVALID_DESTINATION',
    errors: [{ path: 'to', message: 'not a valid number' }],
  },
}

export const referenceTo = ({ name }: Pick<Shape, 'name'>): { readonly $ref: string } => ({
  $ref: uriOf(name),
})

const uriOf = (name: string): string => `#/components/schemas/${name}`

/**
 * The schemas of all operations by name. Requests are described as they come in, answers as they go
 * out. `closed`: what is not described is not allowed. Clients are told the opposite, because
 * fields may be added [FL6]; our tests are not.
 */
export function componentSchemas(
  operations: readonly Operation[],
  { closed }: { readonly closed: boolean },
): Readonly<Record<string, JsonSchema>> {
  const requests = operations.flatMap(({ request }) => request ?? [])
  const answers = [PROBLEM, ...operations.map(({ success }) => success.body)]
  const given = { ...described(requests, 'input', true), ...described(answers, 'output', closed) }
  return Object.fromEntries(Object.entries(given).toSorted(([left], [right]) => (left < right ? -1 : 1)))
}

function described(
  shapes: readonly Shape[],
  io: 'input' | 'output',
  closed: boolean,
): Readonly<Record<string, JsonSchema>> {
  const registry = z.registry<{ id: string }>()
  for (const { name, schema } of shapes) registry.add(schema, { id: name })
  const { schemas } = z.toJSONSchema(registry, { io, uri: uriOf, unrepresentable: 'any' })
  const finished = shapes.map(({ name, description, example }) => {
    const schema = withoutNames(schemas[name])
    const open = closed ? schema : asRecord(withoutClosing(schema))
    return [name, { description, ...open, examples: [example] }] as const
  })
  return Object.fromEntries(finished)
}

function withoutClosing(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutClosing)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(
    ([key, given]) => key !== 'additionalProperties' || given !== false,
  )
  return Object.fromEntries(kept.map(([key, given]) => [key, withoutClosing(given)]))
}

export const schemaOf = (schema: z.ZodType): JsonSchema =>
  withoutNames(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))

/** The document says what dialect it speaks, and where each schema stands. */
const withoutNames = (schema: unknown): JsonSchema =>
  Object.fromEntries(
    Object.entries(asRecord(schema)).filter(([key]) => !['$schema', '$id', '~standard'].includes(key)),
  )

const asRecord = (value: unknown): JsonSchema =>
  typeof value === 'object' && value !== null ? { ...value } : {}

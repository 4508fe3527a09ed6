/**
 * The part of the Compose Specification's JSON schema that docker-compose.redpanda.yml uses,
 * written after the specification's text. It is stricter than the whole: a key that is not here is
 * refused, so a misspelt one is found. A new key is added here with it.
 */

const text = { type: 'string', minLength: 1 }
const duration = { type: 'string', pattern: '^(\\d+(h|m|s|ms|us))+$' }
const listOfText = { type: 'array', items: text, minItems: 1 }
const textOrList = { oneOf: [text, listOfText] }

const healthcheck = {
  type: 'object',
  additionalProperties: false,
  required: ['test'],
  properties: {
    test: {
      type: 'array',
      items: text,
      minItems: 2,
      prefixItems: [{ enum: ['CMD', 'CMD-SHELL'] }],
    },
    interval: duration,
    timeout: duration,
    start_period: duration,
    retries: { type: 'integer', minimum: 1 },
  },
}

const dependsOn = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    additionalProperties: false,
    required: ['condition'],
    properties: {
      condition: { enum: ['service_started', 'service_healthy', 'service_completed_successfully'] },
    },
  },
}

const service = {
  type: 'object',
  additionalProperties: false,
  oneOf: [{ required: ['image'] }, { required: ['build'] }],
  properties: {
    image: text,
    build: {
      type: 'object',
      additionalProperties: false,
      required: ['context'],
      properties: { context: text, dockerfile: text, target: text },
    },
    command: { oneOf: [text, { type: 'array', items: { type: 'string' } }] },
    environment: { type: 'object', additionalProperties: { type: 'string' } },
    ports: { type: 'array', items: text, uniqueItems: true },
    volumes: { type: 'array', items: text, uniqueItems: true },
    networks: textOrList,
    healthcheck,
    depends_on: dependsOn,
    restart: { enum: ['no', 'always', 'on-failure', 'unless-stopped'] },
    init: { type: 'boolean' },
  },
}

const named = (value: object): object => ({
  type: 'object',
  propertyNames: { pattern: '^[a-zA-Z0-9._-]+$' },
  additionalProperties: value,
})

/** JSON schema, draft 2020-12. */
export const composeSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['services'],
  patternProperties: { '^x-': {} },
  properties: {
    name: { type: 'string', pattern: '^[a-z0-9][a-z0-9_-]*$' },
    services: named(service),
    volumes: named({ type: 'object', additionalProperties: false }),
    networks: named({
      type: 'object',
      additionalProperties: false,
      properties: { internal: { type: 'boolean' } },
    }),
  },
}

import type { ApiDocument, OperationObject } from './document.ts'
import { html, page, prose, type Html } from './html.ts'
import { DOCUMENTED_PROBLEMS, type DocumentedProblem } from './problem-notes.ts'

/** The reference that people read [H17]; all of it is in the document. */
export function referencePage(document: ApiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationPart(method, path, operation)),
  )
  return page(
    'SMS API',
    html`${paragraphs(String(document.info['description']))}
<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
${operations}
<h2 id="schemas">Schemas</h2>
${Object.entries(document.components.schemas).map(([name, schema]) => schemaPart(name, schema))}
<h2 id="problems">Problems</h2>
<table><tr><th>Status</th><th>Code</th><th>Meaning</th></tr>
${[...DOCUMENTED_PROBLEMS].map(([slug, problem]) => problemRow(slug, problem))}
</table>`,
  )
}

/** Undefined for a code that there is not. */
export function problemPage(slug: string): string | undefined {
  const problem = DOCUMENTED_PROBLEMS.get(slug)
  if (problem === undefined) return undefined
  return page(
    problem.title,
    html`<table>
<tr><th>Code</th><td><code>${problem.code}</code></td></tr>
<tr><th>Status</th><td>${problem.status}</td></tr>
<tr><th>Meaning</th><td>${prose(problem.meaning)}</td></tr>
<tr><th>Whose fault</th><td>${problem.fault}</td></tr>
<tr><th>Try again?</th><td>${prose(problem.retry)}</td></tr>
</table>
<p><a href="/docs#problems">All problems</a></p>`,
  )
}

const paragraphs = (text: string): readonly Html[] =>
  text.split('\n\n').map((paragraph) => html`<p>${prose(paragraph)}</p>`)

const operationPart = (method: string, path: string, operation: OperationObject): Html => html`
<h2 id="${operation.operationId}">${operation.summary}</h2>
<p><code>${method.toUpperCase()} ${path}</code></p>
${paragraphs(operation.description)}
${parametersPart(operation)}
${referencesIn('Takes', operation.requestBody)}
<table><tr><th>Status</th><th>Answer</th></tr>
${Object.entries(operation.responses).map(
  ([status, response]) => html`<tr><td>${status}</td><td>${prose(response.description)}
${referencesIn('', response.content)}</td></tr>`,
)}
</table>`

function parametersPart({ parameters = [] }: OperationObject): Html {
  if (parameters.length === 0) return html``
  const rows = parameters.map(
    ({ name, in: place, description }) =>
      html`<tr><td><code>${String(name)}</code></td><td>${String(place)}</td><td>${prose(String(description))}</td></tr>`,
  )
  return html`<table><tr><th>Parameter</th><th>In</th><th></th></tr>
${rows}
</table>`
}

/** Links to the schemas that a part of the document refers to. */
function referencesIn(label: string, part: unknown): Html {
  const names = new Set(
    [...(JSON.stringify(part) ?? '').matchAll(/#\/components\/schemas\/(\w+)/g)].flatMap(
      ([, name]) => name ?? [],
    ),
  )
  if (names.size === 0) return html``
  const links = [...names].map((name) => html`<a href="#schema-${name}">${name}</a>`)
  return html`<p>${label} ${links}</p>`
}

const schemaPart = (name: string, schema: unknown): Html => html`
<h3 id="schema-${name}">${name}</h3>
<pre>${JSON.stringify(schema, undefined, 2)}</pre>`

const problemRow = (slug: string, { status, code, meaning }: DocumentedProblem): Html =>
  html`<tr><td>${status}</td><td><a href="/problems/${slug}"><code>${code}</code></a></td><td>${prose(meaning)}</td></tr>`

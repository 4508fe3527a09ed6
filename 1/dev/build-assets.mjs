/// <reference types="node" />
// The second half of `npm run build`. The compiler leaves out what is not TypeScript, and services
// read some of it beside their own code: the migrations, the proto file of the routing engine. Such
// files of the production folders go to the same place below dist/. Plain Node: the image is built
// without the tools of dev/.
import { cpSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** tsconfig.build.json names the same folders. */
const folders = ['api', 'streams', 'topologies', 'bridges', 'sinks', 'smpp-gateway']

for (const folder of folders) {
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.ts')) continue
    const from = join(entry.parentPath, entry.name)
    cpSync(from, join(root, 'dist', relative(root, from)))
  }
}

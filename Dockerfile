# One image for every process: which one runs is the command. `service` holds compiled code and production dependencies only;
# `dev` runs the stand-ins for neighbouring systems straight from their TypeScript.

FROM node:20.19.2-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund

FROM dependencies AS build
COPY tsconfig.json tsconfig.build.json ./
COPY api api
COPY streams streams
COPY topologies topologies
COPY bridges bridges
COPY sinks sinks
COPY smpp-gateway smpp-gateway
COPY dev/build-assets.mjs dev/build-assets.mjs
RUN npm run build

FROM dependencies AS production-dependencies
RUN npm prune --omit=dev --no-audit --no-fund

FROM node:20.19.2-bookworm-slim AS service
# MiB: what a service makes lives for a round or a request; with Node's 16 much of it is copied before it dies.
ENV NODE_ENV=production HOST=0.0.0.0 NODE_OPTIONS=--max-semi-space-size=64
WORKDIR /app
COPY --from=production-dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
# The state stores of the topologies; a volume is mounted here.
RUN mkdir state && chown node:node state
USER node
# Without a command there is nothing to run: docker-compose.redpanda.yml and the Kubernetes manifests name it.
CMD ["node", "--eval", "console.error('Give a command: node dist/<folder>/main.js'); process.exit(64)"]

FROM dependencies AS dev
ENV HOST=0.0.0.0
COPY tsconfig.json ./
COPY streams streams
COPY dev dev
USER node
CMD ["node", "--eval", "console.error('Give a command: node --import tsx dev/<folder>/main.ts'); process.exit(64)"]

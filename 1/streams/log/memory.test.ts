import { logSuite } from './testing/log.suite.ts'
import { memoryLog } from './memory.ts'

logSuite('memory', () => {
  const log = memoryLog()
  let names = 0
  return Promise.resolve({
    connect: () => log.connect(),
    unique: (name) => {
      names += 1
      return `${name}-${names}`
    },
    openTransaction: (transactionalId) => {
      const held = log.begin(transactionalId)
      return Promise.resolve({
        write: async (records) => held.write(records),
        commit: async () => held.commit(),
        abort: async () => held.abort(),
      })
    },
    expelMember: async (consumer) => log.expelMember(consumer),
    close: () => log.close(),
  })
})

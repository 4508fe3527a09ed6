import { connect } from 'node:net'

const answerWithinMs = 1_000

/**
 * Whether the server on this port of 127.0.0.1 answers `question` with bytes that contain
 * `expected`.
 */
export const answers = async (port: number, question: string, expected: string): Promise<boolean> =>
  new Promise((resolve) => {
    let seen = ''
    const socket = connect({ port, host: '127.0.0.1' })
    const finish = (answered: boolean): void => {
      socket.destroy()
      resolve(answered)
    }
    socket.setTimeout(answerWithinMs, () => finish(false))
    socket.on('connect', () => socket.write(question))
    socket.on('data', (bytes) => {
      seen += bytes.toString('latin1')
      if (seen.includes(expected)) finish(true)
    })
    socket.on('error', () => finish(false))
    socket.on('close', () => finish(false))
  })

import { jetstreamOf, type NatsLink } from '../../../streams/nats/link.ts'

/** What NATS holds of the commands of one operator: all of them come from one partition. */
export interface PublishedCommands {
  /** Their `Nats-Msg-Id`s beyond a sequence of the stream, with their own sequences. */
  beyond(subject: string, sequence: number): Promise<ReadonlyMap<string, number>>
  /** Sequence of the last one; 0: the stream holds none. */
  last(subject: string): Promise<number>
}

/**
 * Beyond its mark a partition has the unmarked batch of each owner that was lost, of 256 records at
 * most. So many more mean that the mark counts in another stream.
 */
const LOOKED_AT_MAX = 16_384

export function natsPublishedCommands(link: NatsLink, stream: string, stop: AbortSignal): PublishedCommands {
  const streams = async () => {
    await link.whenConnected(stop)
    return (await jetstreamOf(link).jetstreamManager(false)).streams
  }
  return {
    async beyond(subject, sequence) {
      const api = await streams()
      const found = new Map<string, number>()
      for (let seq = sequence + 1; ; ) {
        // The library has no name for it in its types; every server since 2.9 knows it.
        const next = { seq, next_by_subj: subject }
        const message = await api.getMessage(stream, next)
        if (message === null) return found
        if (found.size >= LOOKED_AT_MAX) throw new Error(`stream ${stream} holds too much beyond its mark`)
        found.set(message.header?.get('Nats-Msg-Id') ?? '', message.seq)
        seq = message.seq + 1
      }
    },
    async last(subject) {
      const api = await streams()
      return (await api.getMessage(stream, { last_by_subj: subject }))?.seq ?? 0
    },
  }
}

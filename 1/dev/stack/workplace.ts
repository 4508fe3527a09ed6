import type { ChildSpec } from './child.ts'
import type { ProgramName } from './install.ts'
import type { RunFolder } from './run-folder.ts'

/** What a server finds when it is prepared. */
export interface Workplace {
  readonly run: RunFolder
  /** Folder that outlives the run: the jars of the broker. */
  readonly cache: string
  readonly port: () => Promise<number>
  /** Path of an installed program; rejects with a sentence when there is none. */
  readonly binary: (name: ProgramName) => Promise<string>
  readonly say: (line: string) => void
  readonly abort: AbortSignal
}

/** A server that only has to be started, and where it will be found. */
export interface Prepared {
  readonly address: string
  readonly child: ChildSpec & { readonly stopSignal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT' }
  /** Runs once after the first start, before the stack is handed out. */
  readonly warmUp?: () => Promise<void>
}

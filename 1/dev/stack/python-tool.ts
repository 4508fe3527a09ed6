import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { runOrExplain } from './command.ts'
import { findProgram } from './install.ts'
import { stackRoot } from './run-folder.ts'

/**
 * A Python with exactly the packages of `requirements`, in an environment of its own
 * below the cache: installed once, and again when the list changes. It is built beside its place
 * and moved there as a whole, so what is there is complete.
 *
 * @returns the path of the interpreter. The scripts beside it name the place where they were built.
 */
export async function pythonWith(requirements: string): Promise<string> {
  const list = readFileSync(requirements)
  const name = `python-${createHash('sha256').update(list).digest('hex').slice(0, 16)}`
  const home = join(stackRoot, 'cache', name)
  if (!existsSync(home)) await install(requirements, home)
  return join(home, 'bin', 'python')
}

async function install(requirements: string, home: string): Promise<void> {
  const python = findProgram('python3')
  if (python === undefined) throw new Error('This needs python3 with its module venv (Debian: python3-venv).')
  mkdirSync(join(stackRoot, 'cache'), { recursive: true })
  const building = `${home}.${process.pid}`
  await runOrExplain('python3 -m venv (Debian: python3-venv)', python, ['-m', 'venv', building])
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--requirement',
    requirements,
  ]
  await runOrExplain('pip install', join(building, 'bin', 'python'), pip)
  try {
    renameSync(building, home)
  } catch {
    // Another test was faster, and its environment is as good.
    rmSync(building, { recursive: true })
  }
}

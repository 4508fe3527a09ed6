import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { runOrExplain } from './command.ts'
import { findProgram } from './install.ts'
import { stackRoot } from './run-folder.ts'

/**
 * A program of Python with exactly the packages of `requirements`, in an environment of its own
 * below the cache: installed once, and again when the list changes. It is built beside its place
 * and moved there as a whole, so what is there is complete.
 *
 * @returns the path of the program.
 */
export async function pythonTool(requirements: string, program: string): Promise<string> {
  const list = readFileSync(requirements)
  const name = `python-${createHash('sha256').update(list).digest('hex').slice(0, 16)}`
  const home = join(stackRoot, 'cache', name)
  if (!existsSync(home)) await install(requirements, home)
  return join(home, 'bin', program)
}

async function install(requirements: string, home: string): Promise<void> {
  const python = findProgram('python3')
  if (python === undefined) throw new Error('This needs python3 with its module venv (Debian: python3-venv).')
  mkdirSync(join(stackRoot, 'cache'), { recursive: true })
  const building = `${home}.${process.pid}`
  // Scripts name the interpreter by its path, so the environment says where it will be.
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

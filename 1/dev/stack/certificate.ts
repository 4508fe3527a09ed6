import { join } from 'node:path'
import { runOrExplain } from './command.ts'

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

/**
 * A certificate for localhost that signs itself, so that it is its own authority; PEM files in
 * `folder`.
 */
export async function selfSigned(folder: string): Promise<Certificate> {
  const certFile = join(folder, 'certificate.pem')
  const keyFile = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const files = ['-keyout', keyFile, '-out', certFile]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await runOrExplain('making a certificate', 'openssl', [...request, '-days', '2', ...subject, ...files])
  return { certFile, keyFile }
}

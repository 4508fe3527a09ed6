import { BlockList, isIP } from 'node:net'

export const CALLBACK_URL_CHARS_MAX = 2048

export type CallbackUrl =
  | { readonly ok: true; readonly href: string }
  | { readonly ok: false; readonly fault: string }

/**
 * A callback URL that may be called from inside our network [SM9]: nothing in it may lead back into
 * that network, or mean one thing to us and another to the caller behind us. What a name resolves
 * to is for the caller to check at the moment of the call: it may change until then.
 */
export function parseCallbackUrl(text: string): CallbackUrl {
  if (text.length > CALLBACK_URL_CHARS_MAX) return refused(TOO_LONG)
  // The parser would drop them without a word.
  if (BLANK_OR_CONTROL.test(text)) return refused('must not hold blanks or control characters')
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') return refused('must be an https URL')
  if (url.username !== '' || url.password !== '') return refused('must not hold a user or a password')
  if (!isPublic(url.hostname)) return refused('must have a public host')
  // Escapes make it longer than it came.
  return url.href.length > CALLBACK_URL_CHARS_MAX ? refused(TOO_LONG) : { ok: true, href: url.href }
}

const refused = (fault: string): CallbackUrl => ({ ok: false, fault })

const TOO_LONG = `must have at most ${CALLBACK_URL_CHARS_MAX} characters`
// oxlint-disable-next-line no-control-regex -- Control characters are exactly what is looked for.
const BLANK_OR_CONTROL = /[\u0000-\u0020\u007f-\u00a0\s]/u

/** IANA's special-purpose registries: private, loopback, link-local and the like. */
const INSIDE_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** Those that hold an IPv4 address (mapped, translated, tunnelled) are refused whatever it is. */
const INSIDE_V6 = [
  '::/96',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]

/** One for each family: in a common list the mapped range would hold every IPv4 address. */
const blockList = (family: 'ipv4' | 'ipv6', ranges: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const range of ranges) {
    const [net = '', prefix] = range.split('/')
    list.addSubnet(net, Number(prefix), family)
  }
  return list
}
const insideV4 = blockList('ipv4', INSIDE_V4)
const insideV6 = blockList('ipv6', INSIDE_V6)

/**
 * `hostname` as the parser writes it: every spelling of an IPv4 address has become the usual one.
 */
function isPublic(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(host) === 4) return !insideV4.check(host, 'ipv4')
  if (isIP(host) === 6) return !insideV6.check(host, 'ipv6')
  return host.includes('.') && !/(^|\.)(localhost|local|internal)$/.test(host)
}

import { BoundedMap } from '../../streams/platform/bounded-map.ts'

/** Local time by number of digits: YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm, YYYYMMDDhhmmss. */
const LOCAL_FORMS: readonly RegExp[] = [
  /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/,
  /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/,
  /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)$/,
  /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/,
]
/** ISO 8601 and what looks like it; the zone may be missing. */
const ISO = /^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?\s?(Z|[+-]\d\d:?\d\d)?$/i
/** YYMMDDhhmmsstnnp: tenths, quarter hours from UTC, sign (SMPP 3.4 section 7.1.1). */
const SMPP = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d(\d\d)([+-])$/
/** Since 2001; zeros are no date. */
const UNIX = /^([1-9]\d{9})(\d{3})?$/

const CENTURY = 2000
const MINUTE_MS = 60_000
/** A clock that is further ahead of ours than this says nothing [R4]. */
const AHEAD_MS_MAX = 10 * MINUTE_MS

/**
 * A date of a receipt text as ISO instant, or null when it is unreadable, impossible or in the
 * future of its arrival [R4]. Some digits can be read in two ways: the one nearer to the arrival
 * counts.
 *
 * @param timeZone the operator's, an IANA name; a form that names its own zone does not need it
 */
export function receiptInstant(text: string, timeZone: string, receivedAtMs: number): string | null {
  const possible = knownReadings(text, timeZone).filter((atMs) => atMs <= receivedAtMs + AHEAD_MS_MAX)
  return possible.length === 0 ? null : new Date(Math.max(...possible)).toISOString()
}

/** Most receipts of a minute bear the same date, and to read one takes nine expressions. */
const READINGS_MAX = 1_000
const known = new BoundedMap<string, readonly number[]>(READINGS_MAX)

function knownReadings(text: string, timeZone: string): readonly number[] {
  const key = `${timeZone} ${text}`
  const found = known.get(key)
  if (found !== undefined) return found
  const read = readings(text, timeZone)
  known.set(key, read)
  return read
}

function readings(text: string, timeZone: string): readonly number[] {
  const found = LOCAL_FORMS.flatMap((form) => localIn(form.exec(text), timeZone))
  const unix = UNIX.exec(text)
  if (unix !== null) found.push(Number(unix[1]) * 1000 + Number(unix[2] ?? 0))
  const smpp = SMPP.exec(text)
  const smppUtc = smpp === null ? null : utcOf(numbersOf(smpp))
  if (smpp !== null && smppUtc !== null) found.push(smppUtc - Number(`${smpp[8]}${smpp[7]}`) * 15 * MINUTE_MS)
  return [...found, ...isoIn(ISO.exec(text), timeZone)]
}

/** Year to second; what is missing at the end is 0. */
const numbersOf = (found: RegExpExecArray): readonly number[] =>
  found.slice(1, 7).map((part: string | undefined) => Number(part ?? 0))

function localIn(found: RegExpExecArray | null, timeZone: string): readonly number[] {
  const local = found === null ? null : utcOf(numbersOf(found))
  return local === null ? [] : [local - offsetMs(local, timeZone)]
}

function isoIn(found: RegExpExecArray | null, timeZone: string): readonly number[] {
  const zone = found?.[7]
  if (found === null || zone === undefined) return localIn(found, timeZone)
  const utc = utcOf(numbersOf(found))
  if (utc === null) return []
  if (zone.toUpperCase() === 'Z') return [utc]
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))
  return [utc - (zone.startsWith('-') ? -minutes : minutes) * MINUTE_MS]
}

/**
 * Epoch ms of the digits read as UTC; null when they are no date, such as all zeros or a 31st of
 * April.
 */
function utcOf([year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0]: readonly number[]):
  | number
  | null {
  const fullYear = year < 100 ? CENTURY + year : year
  const date = new Date(Date.UTC(fullYear, month - 1, day, hour, minute, second))
  const same = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour
  return same && date.getUTCMinutes() === minute ? date.getTime() : null
}

/**
 * How far `timeZone` is ahead of UTC when its clocks show `localMs`. The offset is looked up twice,
 * because the first look is at an instant that is off by the offset itself. Within the hour that a
 * clock change repeats, the later instant wins.
 */
function offsetMs(localMs: number, timeZone: string): number {
  if (timeZone === 'UTC') return 0
  return shownMinus(localMs - shownMinus(localMs, timeZone), timeZone)
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** What the zone's clock shows at `atMs`, read as UTC, minus `atMs`. */
function shownMinus(atMs: number, timeZone: string): number {
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0
  const shown = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  )
  return shown - Math.floor(atMs / 1000) * 1000
}

// Making a format costs a hundred times its use. Zones come from the configuration, so there are
// few.
function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  formats.set(timeZone, format)
  return format
}

/** Digits of each form: YYMMDDhhmm, YYMMDDhhmmss or YYYYMMDDhhmm, YYYYMMDDhhmmss. */
const FORMS: Readonly<Record<number, readonly RegExp[]>> = {
  10: [/^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/],
  12: [/^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)$/],
  14: [/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/],
}
const CENTURY = 2000

/**
 * A date of a receipt text as ISO instant, or null [R4]. As yet the SMPP form and Unix seconds give
 * null, and a date in the future is taken. Twelve digits are tried with seconds first: a year of
 * four digits after 2012 then gives an impossible month. `timeZone` is the operator's, an IANA
 * name.
 */
export function receiptInstant(digits: string, timeZone: string): string | null {
  for (const form of FORMS[digits.length] ?? []) {
    const found = form.exec(digits)
    const local = found === null ? null : utcOf(found.slice(1).map(Number))
    if (local !== null) return new Date(local - offsetMs(local, timeZone)).toISOString()
  }
  return null
}

/**
 * Epoch ms of the digits read as UTC; null when they are no date, such as all zeros or a 31st of
 * April.
 */
function utcOf([year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0]: number[]): number | null {
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

export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    // The only way that the platform offers to ask whether it knows a zone.
    return false
  }
}

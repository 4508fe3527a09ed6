/**
 * `type` of a problem (RFC 9457): the page that says what the code means, whose fault it is and
 * whether to try again.
 */
export const problemType = (code: string): string =>
  `https://docs.ghasi.io/problems/${code.toLowerCase().replaceAll('_', '-')}`

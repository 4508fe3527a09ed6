import metadata from 'libphonenumber-js/min/metadata'

/** The national numbers of one calling code, in any country that shares it. */
interface NumberingPlan {
  /** What in front of a number may be no part of it, as far as the library knows. */
  readonly nationalPrefix: RegExp | undefined
  /** Of national numbers; possible in each of the countries. */
  readonly lengths: ReadonlySet<number>
}

const CALLING_CODE_DIGITS_MAX = 3

// Where the library keeps them in the plan of a country (its METADATA.md).
const LENGTHS = 3
const NATIONAL_PREFIX = 5
const NATIONAL_PREFIX_FOR_PARSING = 7

type Plans = typeof metadata.countries
const planOf = (country: keyof Plans): readonly unknown[] => metadata.countries[country] ?? []

const lengthsOf = (plan: readonly unknown[]): readonly number[] => {
  const lengths = plan[LENGTHS]
  return Array.isArray(lengths) ? lengths.filter((length) => typeof length === 'number') : []
}

/** The library strips by the plan of the first country, whichever of them the number is of. */
function nationalPrefixOf(plan: readonly unknown[]): RegExp | undefined {
  const pattern = plan[NATIONAL_PREFIX_FOR_PARSING] || plan[NATIONAL_PREFIX]
  return typeof pattern === 'string' ? new RegExp(`^(?:${pattern})`) : undefined
}

const planOfAll = (countries: readonly (keyof Plans)[]): NumberingPlan => {
  const [first = [], ...others] = countries.map(planOf)
  const inEach = (length: number) => others.every((plan) => lengthsOf(plan).includes(length))
  return { nationalPrefix: nationalPrefixOf(first), lengths: new Set(lengthsOf(first).filter(inEach)) }
}

const PLANS: ReadonlyMap<string, NumberingPlan> = new Map(
  Object.entries(metadata.country_calling_codes).map(([code, countries]) => [code, planOfAll(countries)]),
)

/**
 * True when the length and the first digits alone make the library take the number as it stands;
 * false says nothing. The library would go on to find the country, by dozens of patterns, which
 * changes neither the number nor whether it is possible.
 *
 * @param e164 A plus sign and digits.
 */
export function isPlainlyPossible(e164: string): boolean {
  for (let digits = 1; digits <= CALLING_CODE_DIGITS_MAX; digits++) {
    // No calling code is the beginning of another.
    const plan = PLANS.get(e164.slice(1, 1 + digits))
    if (plan === undefined) continue
    const national = e164.slice(1 + digits)
    return plan.lengths.has(national.length) && plan.nationalPrefix?.test(national) !== true
  }
  return false
}

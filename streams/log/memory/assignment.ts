/**
 * Which member gets which partition numbers. A number stands for that partition of every topic of the group, so what
 * belongs together stays together. Members keep what they hold up to their fair share; shares differ by one at most.
 *
 * @param units how many partition numbers there are
 * @param held what each member holds now, in the order of joining; nobody holds what another holds
 */
export function assignUnits(
  units: number,
  held: ReadonlyMap<string, readonly number[]>,
): Map<string, readonly number[]> {
  const shares = fairShares(units, held)
  const assigned = new Map<string, number[]>()
  const taken = new Set<number>()
  for (const [member, own] of held) {
    const kept = own.filter((unit) => unit < units).slice(0, shares.get(member) ?? 0)
    assigned.set(member, kept)
    for (const unit of kept) taken.add(unit)
  }
  const free = Array.from({ length: units }, (_, unit) => unit).filter((unit) => !taken.has(unit))
  for (const [member, own] of assigned) {
    own.push(...free.splice(0, (shares.get(member) ?? 0) - own.length))
    own.sort((a, b) => a - b)
  }
  return assigned
}

/** The odd ones go to those who hold most, because that moves least. */
function fairShares(units: number, held: ReadonlyMap<string, readonly number[]>): Map<string, number> {
  const richestFirst = [...held].sort(([, a], [, b]) => b.length - a.length)
  const share = Math.floor(units / richestFirst.length)
  const odd = units % richestFirst.length
  return new Map(richestFirst.map(([member], rank) => [member, rank < odd ? share + 1 : share]))
}

import { profileInWords } from '../contracts/operator-profile-words.ts'
import { OperatorProfiles } from '../contracts/operator-profile.ts'

export type CheckedProfiles =
  | { readonly ok: true; readonly words: string }
  /** One line for each, with the path of its field. */
  | { readonly ok: false; readonly faults: readonly string[] }

/** `text` is what `OPERATOR_OPTIONS` would hold [PD2]. */
export function checkProfiles(text: string): CheckedProfiles {
  const parsed = parsedJson(text)
  if (parsed === undefined) return { ok: false, faults: ['(file): must be JSON'] }
  const checked = OperatorProfiles.safeParse(parsed.value)
  if (!checked.success) {
    const faults = checked.error.issues.map(
      (issue) => `${issue.path.map(String).join('.') || '(file)'}: ${issue.message}`,
    )
    return { ok: false, faults }
  }
  const profiles = Object.entries(checked.data).map(([operatorId, profile]) =>
    [operatorId, ...profileInWords(profile).map((sentence) => `  ${sentence}`)].join('\n'),
  )
  return { ok: true, words: `${profiles.join('\n\n')}\n` }
}

function parsedJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

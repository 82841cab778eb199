import { Failure } from '../../api'
import { spans } from '../../json'
import type { Mark } from '../../parts/editor'

/**
 * The places of a document's text that a refusal is about: the members that the server's sentence
 * names. Validation functions are free in what they say, so this looks for names, the deepest
 * first: "address.city is required" is about city in address, or about address if there is no city.
 */
export function blame(text: string, e: unknown): Mark[] {
  if (!(e instanceof Failure) || (e.status !== 403 && e.status !== 400)) return []
  const words = new Set(e.reason.split(/[^\p{L}\p{N}_$-]+/u))
  const named = spans(text, 4).filter((s) => typeof s.path.at(-1) === 'string' && words.has(String(s.path.at(-1))))
  const deepest = named.filter((s) => !named.some((o) => o !== s && o.from >= s.from && o.to <= s.to))
  return deepest.slice(0, 5).map((s) => ({ from: s.from, to: s.to, message: e.reason }))
}

// Texts that were changed by two people, merged line by line.
import { compare2, merge3 } from './diff'

/** Lines that are as they will be. by: who has changed them; undefined: nobody */
export interface Settled {
  lines: string[]
  by?: 'a' | 'b' | 'both' | undefined
}

/** A place where both have changed the same lines, each in their own way. */
export interface Place {
  /** undefined: it is not known */
  was: string[] | undefined
  a: string[]
  b: string[]
  /** what both have done, if they have changed different words */
  words?: string | undefined
}

export type Part = Settled | Place

/** What a merge comes to. */
export interface Lines {
  /** where both have changed the same lines, both stand there, with marks around them */
  text: string
  /** places with marks */
  conflicts: number
  /** the same in parts; undefined if a text with marks was merged with another one */
  parts?: Part[] | undefined
  names: { a: string; b: string }
}

/** What is taken at a place; text: what the visitor has written. */
export type Taken = 'was' | 'a' | 'b' | 'both' | 'words' | { text: string }
export type Picks = readonly (Taken | undefined)[]

// More lines than these are not merged.
const most = 20_000

export const isPlace = (p: Part): p is Place => 'a' in p

/** Merges two texts; undefined if they have no lines. Without what they were before, each difference is a place. */
export function mergeLines(was: string | undefined, a: string, b: string, names: Lines['names']): Lines | undefined {
  if (![was, a, b].some((t) => t?.includes('\n'))) return undefined
  const [o, left, right] = [was?.split('\n'), a.split('\n'), b.split('\n')]
  if ((o?.length ?? 0) + left.length + right.length > most) return undefined
  const parts: Part[] = o === undefined
    ? compare2(left, right).map((c) => ('common' in c ? { lines: c.common } : { was: undefined, a: c.from, b: c.to }))
    : merge3(left, o, right).map((s) => ('lines' in s ? s : { ...s, words: mergeWords(s.was.join('\n'), s.a.join('\n'), s.b.join('\n')) }))
  return { text: compose(parts, [], names), conflicts: parts.filter(isPlace).length, parts, names }
}

/** Merges what two people have made of a few lines, word by word; undefined if they have changed the same words. */
export function mergeWords(was: string, a: string, b: string): string | undefined {
  if (!was || !a || !b) return undefined
  const words = (text: string): string[] => text.match(/\S+\s*|\s+/g) ?? []
  const [o, left, right] = [words(was), words(a), words(b)]
  const merged = merge3(left, o, right)
  return merged.every((s) => 'lines' in s) ? merged.flatMap((s) => s.lines).join('') : undefined
}

/** The lines that a place is to have; undefined: nobody has decided. */
function linesOf(p: Place, pick: Taken | undefined): string[] | undefined {
  if (pick === undefined) return undefined
  if (pick === 'both') return [...p.a, ...p.b]
  if (pick === 'words') return p.words?.split('\n')
  if (typeof pick === 'object') return pick.text === '' ? [] : pick.text.split('\n')
  return p[pick]
}

/** The text of a place as a visitor starts to write from it. */
export const textOf = (p: Place, pick: Taken | undefined): string => (linesOf(p, pick ?? (p.words === undefined ? 'both' : 'words')) ?? []).join('\n')

/** The text that picks make of the parts. Places that nobody has decided have marks. */
export function compose(parts: Part[], picks: Picks, names: Lines['names']): string {
  let n = 0
  return parts.flatMap((p) => (isPlace(p) ? linesOf(p, picks[n++]) ?? [`<<<<<<< ${names.a}`, ...p.a, '=======', ...p.b, `>>>>>>> ${names.b}`] : p.lines)).join('\n')
}

const mark = /^(<{7} .*|>{7} .*)$/m

/** Tells whether a text still has marks. */
export const marked = (text: string): boolean => mark.test(text)

/** Where the next marked place begins and ends, looked for from a position on and then from the start. */
export function nextMark(text: string, from: number): [number, number] | undefined {
  const all = [...text.matchAll(/^<{7} .*$/gm)].map((m) => m.index)
  const start = all.find((i) => i > from) ?? all[0]
  if (start === undefined) return undefined
  const end = /^>{7} .*$/m.exec(text.slice(start))
  return [start, end ? start + end.index + end[0].length : text.length]
}

/** Lines of a text beside those of another one: the same in both, new, or gone. */
export interface Stretch {
  kind: 'same' | 'added' | 'removed'
  lines: string[]
}

/** What has become of the lines of a text; undefined if it has none, or too many. */
export function stretches(was: string, now: string): Stretch[] | undefined {
  if (!was.includes('\n') && !now.includes('\n')) return undefined
  const [from, to] = [was.split('\n'), now.split('\n')]
  if (from.length + to.length > most) return undefined
  return compare2(from, to).flatMap((c): Stretch[] =>
    'common' in c ? [{ kind: 'same', lines: c.common }] : [{ kind: 'removed' as const, lines: c.from }, { kind: 'added' as const, lines: c.to }].filter((x) => x.lines.length > 0))
}

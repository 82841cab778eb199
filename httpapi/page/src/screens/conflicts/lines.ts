// Texts that were changed by two people, merged line by line.
import { diff3Merge, diffComm } from 'node-diff3'

/** What a merge comes to. Where both have changed the same lines, both stand there, with marks around them. */
export interface Lines {
  text: string
  /** places with marks */
  conflicts: number
}

// More lines than these are not merged: finding what they have in common could take long.
const most = 20_000

/** Merges two texts; undefined if they have no lines. */
export function mergeLines(was: string, a: string, b: string, nameA: string, nameB: string): Lines | undefined {
  if (![was, a, b].some((t) => t.includes('\n'))) return undefined
  const [o, left, right] = [was.split('\n'), a.split('\n'), b.split('\n')]
  if (o.length + left.length + right.length > most) return undefined
  const out: string[] = []
  let conflicts = 0
  for (const part of diff3Merge(left, o, right, { excludeFalseConflicts: true })) {
    if (part.ok) out.push(...part.ok)
    else if (part.conflict) {
      conflicts++
      out.push(`<<<<<<< ${nameA}`, ...part.conflict.a, '=======', ...part.conflict.b, `>>>>>>> ${nameB}`)
    }
  }
  return { text: out.join('\n'), conflicts }
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
  return diffComm(from, to).flatMap((c): Stretch[] =>
    c.common ? [{ kind: 'same', lines: c.common }] : [{ kind: 'removed' as const, lines: c.buffer1 }, { kind: 'added' as const, lines: c.buffer2 }].filter((x) => x.lines.length > 0))
}

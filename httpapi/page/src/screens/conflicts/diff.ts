// What lists of lines, or of words, have in common, found in bounded time.
import { diff3MergeRegions, diffComm } from 'node-diff3'

/** What became of a stretch of a list that two people had. */
export type Stretch3 = { lines: string[]; by: 'a' | 'b' | 'both' | undefined } | { was: string[]; a: string[]; b: string[] }

/** What became of a stretch of one list in another one. */
export type Stretch2 = { common: string[] } | { from: string[]; to: string[] }

// The library's work grows with the product of how often a line stands in both lists, and with their length:
// a text with thousands of empty lines would take minutes. So lists are cut at lines that stand once in each,
// and what is left in one piece and would take more than this is taken for changed as a whole.
const most = 20_000_000

const same = (a: string[], b: string[]) => a.length === b.length && a.every((line, i) => line === b[i])

/** The longest part of a list, in its order, in which a number grows. */
function growing<T>(list: T[], of: (t: T) => number): T[] {
  const ends: number[] = [] // the element that the shortest chain of a length ends with
  const before: number[] = []
  list.forEach((t, i) => {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const mid = (low + high) >> 1
      if (of(list[ends[mid]!]!) < of(t)) low = mid + 1
      else high = mid
    }
    before[i] = low ? ends[low - 1]! : -1
    ends[low] = i
  })
  const chain: T[] = []
  for (let i = ends.at(-1) ?? -1; i >= 0; i = before[i]!) chain.push(list[i]!)
  return chain.reverse()
}

/** The places of lines that stand once in each list, in the same order everywhere. */
function anchors(lists: readonly string[][]): number[][] {
  const places = new Map<string, number[] | null>() // null: not everywhere once
  lists.forEach((list, n) => list.forEach((line, i) => {
    const p = places.get(line)
    if (p?.length === n) p.push(i)
    else if (p !== null) places.set(line, n || p ? null : [i])
  }))
  let all = [...places.values()].filter((p) => p?.length === lists.length) as number[][]
  for (let n = 1; n < lists.length; n++) all = growing(all, (p) => p[n]!)
  return all
}

/** Cuts lists into pieces that are compared for themselves, and lines that stand between them in all. */
function cut(lists: readonly string[][], piece: (pieces: string[][]) => void, line: (l: string) => void): void {
  let from = lists.map(() => 0)
  for (const at of [...anchors(lists), lists.map((l) => l.length)]) {
    const pieces = lists.map((l, n) => l.slice(from[n], at[n]))
    if (pieces.some((p) => p.length)) piece(pieces)
    if (at[0]! < lists[0]!.length) line(lists[0]![at[0]!]!)
    from = at.map((i) => i + 1)
  }
}

/** Tells whether two lists would take the library too long. */
function costly(a: string[], b: string[]): boolean {
  const often = new Map<string, number>()
  for (const line of a) often.set(line, (often.get(line) ?? 0) + 1)
  const pairs = b.reduce((sum, line) => sum + (often.get(line) ?? 0), 0)
  return pairs * Math.min(a.length, b.length) > most
}

/** Merges what two people have made of a list. */
export function merge3(a: string[], was: string[], b: string[]): Stretch3[] {
  const out: Stretch3[] = []
  const add = (s: Stretch3) => {
    const last = out.at(-1)
    if (last && 'lines' in last && 'lines' in s && last.by === s.by) last.lines.push(...s.lines)
    else out.push('lines' in s ? { ...s, lines: [...s.lines] } : s)
  }
  const whole = (x: string[], o: string[], y: string[]) =>
    add(same(x, y) ? { lines: x, by: same(x, o) ? undefined : 'both' } : same(x, o) ? { lines: y, by: 'b' } : same(y, o) ? { lines: x, by: 'a' } : { was: o, a: x, b: y })
  cut([was, a, b], ([o, x, y]) => {
    if (costly(o!, x!) || costly(o!, y!)) return whole(x!, o!, y!)
    for (const r of diff3MergeRegions(x!, o!, y!)) {
      if (r.stable) add({ lines: r.bufferContent, by: r.buffer === 'o' ? undefined : r.buffer })
      else whole(r.aContent, r.oContent, r.bContent)
    }
  }, (line) => add({ lines: [line], by: undefined }))
  return out
}

/** Compares two lists. */
export function compare2(from: string[], to: string[]): Stretch2[] {
  const out: Stretch2[] = []
  const add = (s: Stretch2) => {
    const last = out.at(-1)
    if (last && 'common' in last && 'common' in s) last.common.push(...s.common)
    else out.push('common' in s ? { common: [...s.common] } : s)
  }
  cut([from, to], ([x, y]) => {
    if (same(x!, y!)) add({ common: x! })
    else if (costly(x!, y!)) add({ from: x!, to: y! })
    else for (const c of diffComm(x!, y!)) add(c.common ? { common: c.common } : { from: c.buffer1, to: c.buffer2 })
  }, (line) => add({ common: [line] }))
  return out
}

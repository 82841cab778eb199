// What versions of a document began with, two by two. Nothing here knows the screen or the server.
import { Num, Obj, type Json } from '../../json'
import type { Step } from './merge'

/** The revision of a document and its ancestors, the newest first, as ?revs=true tells them. */
export function pathOf(doc: Obj): string[] {
  const r = doc.get('_revisions')
  if (!(r instanceof Obj)) return []
  const start = r.get('start')
  const ids = r.get('ids')
  if (!(start instanceof Num) || !Array.isArray(ids)) return []
  return ids.map((id: Json, i) => `${Number(start.text) - i}-${String(id)}`)
}

/**
 * The order in which versions are merged: those first that parted last, each two with the revision at which
 * they parted ('' if none is known).
 */
export function stepsOf(paths: string[][]): Omit<Step, 'base'>[] {
  const pairs: (Omit<Step, 'base'> & { age: number })[] = []
  paths.forEach((path, a) => {
    for (let b = a + 1; b < paths.length; b++) {
      const other = new Set(paths[b])
      const rev = path.find((r) => other.has(r)) ?? ''
      pairs.push({ a, b, rev, age: rev ? parseInt(rev, 10) : 0 })
    }
  })
  pairs.sort((x, y) => y.age - x.age)
  const group = paths.map((_, i) => i)
  const steps: Omit<Step, 'base'>[] = []
  for (const { a, b, rev } of pairs) {
    const [from, to] = [group[b]!, group[a]!]
    if (from === to) continue
    group.forEach((g, i) => g === from && (group[i] = to))
    steps.push({ a, b, rev })
  }
  return steps
}

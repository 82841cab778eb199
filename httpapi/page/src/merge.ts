// Three versions of a document, member by member: what it was, and what two people made of it.
import { Obj, same, type Json } from './json'

/** A place where at least two of three versions differ. undefined: the member is not there. */
export interface Part {
  /** names of members, from the outside in */
  path: string[]
  base: Json | undefined
  mine: Json | undefined
  theirs: Json | undefined
  /** who changed it: one of them, both in the same way, or each in their own */
  by: 'mine' | 'theirs' | 'same' | 'each'
}

/**
 * The places where three objects differ, in the order of theirs. Objects are compared member by
 * member, arrays and other values as a whole. Without a base, whatever differs was changed by each.
 */
export function compare(base: Json | undefined, mine: Json | undefined, theirs: Json | undefined): Part[] {
  const parts: Part[] = []
  const look = (path: string[], b: Json | undefined, m: Json | undefined, t: Json | undefined) => {
    if (same(m, t) && (b === undefined || same(b, m))) return
    if (m instanceof Obj && t instanceof Obj && (b === undefined || b instanceof Obj)) {
      const names = new Set([...t.names(), ...m.names(), ...(b?.names() ?? [])])
      for (const n of names) look([...path, n], b?.get(n), m.get(n), t.get(n))
      return
    }
    const by = same(m, t) ? 'same' : base !== undefined && same(b, t) ? 'mine' : base !== undefined && same(b, m) ? 'theirs' : 'each'
    parts.push({ path, base: b, mine: m, theirs: t, by })
  }
  look([], base, mine, theirs)
  return parts
}

/** A copy of a value that shares nothing that can change. */
export function copy(v: Json): Json {
  if (v instanceof Obj) return new Obj(v.members.map(([n, x]) => [n, copy(x)]))
  if (Array.isArray(v)) return v.map(copy)
  return v
}

/** Gives the member at a path a value (undefined: takes it away), and makes the objects on the way. */
export function place(root: Obj, path: readonly string[], value: Json | undefined): void {
  let at = root
  for (const name of path.slice(0, -1)) {
    let next = at.get(name)
    if (!(next instanceof Obj)) {
      if (value === undefined) return
      at.set(name, (next = new Obj()))
    }
    at = next
  }
  const last = path.at(-1)!
  if (value === undefined) at.delete(last)
  else at.set(last, copy(value))
}

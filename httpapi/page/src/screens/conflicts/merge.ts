// What differs between versions of a document, field by field, and what becomes of the visitor's choices.
// Nothing here knows the screen or the server.
import { check, Obj, parse, print, same, type Json } from '../../json'

/** A value, or that there is none. */
export type Side = Json | undefined

/** One version of the document, shown as a column. */
export interface Version {
  name: string
  /** '' for what the visitor has made */
  rev: string
  doc: Obj
}

export interface Row {
  /** the path as text, the same for the same place in any comparison */
  key: string
  path: (string | number)[]
  /** one for each version */
  sides: Side[]
  base: Side
  /** the version to take as long as nobody chooses: only its side was changed. -1: somebody has to */
  auto: number
  attachment: boolean
}

export type Choice = { take: 'version'; n: number } | { take: 'base' } | { take: 'both' } | { take: 'hand'; text: string; plain: boolean }
export type Choices = ReadonlyMap<string, Choice>

type Part = { same: Side } | { row: Row } | { object: [string, Part][] } | { list: Part[] }

/** A comparison of versions with what they began with, if that is known. */
export interface Plan {
  versions: Version[]
  base: Obj | null
  rows: Row[]
  body: Part
  attachments: Part
}

// Deeper than this a value is compared as a whole.
const deepest = 40

const special = (name: string) => name.startsWith('_')

function bodyOf(doc: Obj): Obj {
  return new Obj(doc.members.filter(([name]) => !special(name)))
}

function attachmentsOf(doc: Obj): Obj {
  const a = doc.get('_attachments')
  return a instanceof Obj ? a : new Obj()
}

/** What tells two attachments apart. */
function content(stub: Side): Side {
  return stub instanceof Obj ? new Obj([['type', stub.get('content_type') ?? null], ['digest', stub.get('digest') ?? null]]) : undefined
}

/** All names, in the order of the first object; those of others come before the name that they precede there. */
function namesOf(objects: Obj[]): string[] {
  const all: string[] = []
  const has = new Set<string>()
  for (const o of objects) {
    let extra: string[] = []
    const place = (before: string | undefined) => {
      if (extra.length) all.splice(before === undefined ? all.length : all.indexOf(before), 0, ...extra)
      extra = []
    }
    for (const name of o.names()) {
      if (has.has(name)) {
        if (extra.length) place(name)
        continue
      }
      has.add(name)
      extra.push(name)
    }
    place(undefined)
  }
  return all
}

const records = (v: Side): v is Json[] => Array.isArray(v) && v.length > 0 && v.every((e) => e instanceof Obj)

/** Compares versions. base is what they began with, null if that is not known. */
export function compare(versions: Version[], base: Obj | null): Plan {
  const rows: Row[] = []
  const row = (path: Row['path'], was: Side, sides: Side[], known: boolean, attachment: boolean): Part => {
    const equal = (a: Side, b: Side) => (attachment ? same(content(a), content(b)) : same(a, b))
    const changed = known ? sides.flatMap((s, i) => (equal(s, was) ? [] : [i])) : []
    const auto = changed.length && changed.every((i) => equal(sides[i], sides[changed[0]!])) ? changed[0]! : -1
    const r: Row = { key: (attachment ? 'attachment ' : '') + JSON.stringify(path), path, sides, base: was, auto, attachment }
    rows.push(r)
    return { row: r }
  }
  const walk = (path: Row['path'], was: Side, sides: Side[]): Part => {
    const first = sides[0]
    if (sides.every((s) => same(s, first))) return { same: first }
    if (path.length < deepest) {
      if (sides.every((s) => s instanceof Obj)) {
        const from = was instanceof Obj ? was : undefined
        return { object: namesOf(sides).map((name) => [name, walk([...path, name], from?.get(name), sides.map((s) => s.get(name)))]) }
      }
      // A list of as many records everywhere is compared record by record; any other as a whole.
      if (sides.every(records) && (base === null || records(was)) && new Set([...sides, ...(records(was) ? [was] : [])].map((s) => s.length)).size === 1) {
        return { list: sides[0]!.map((_, i) => walk([...path, i], (was as Json[] | undefined)?.[i], sides.map((s) => s[i]))) }
      }
    }
    return row(path, was, sides, base !== null, false)
  }
  const body = walk([], base ? bodyOf(base) : undefined, versions.map((v) => bodyOf(v.doc)))
  const held = versions.map((v) => attachmentsOf(v.doc))
  const had = base ? attachmentsOf(base) : undefined
  const attachments: Part = {
    object: namesOf(held).map((name): [string, Part] => {
      const sides = held.map((h) => h.get(name))
      return [name, sides.every((s) => same(content(s), content(sides[0]))) ? { same: sides[0] } : row([name], had?.get(name), sides, base !== null, true)]
    }),
  }
  return { versions, base, rows, body, attachments }
}

/** What stands for a row as long as nothing is chosen; undefined if somebody has to. */
export function chosen(row: Row, choices: Choices): Choice | undefined {
  return choices.get(row.key) ?? (row.auto >= 0 ? { take: 'version', n: row.auto } : undefined)
}

/** Tells whether a row has all that it needs. */
export function decided(row: Row, choices: Choices): boolean {
  const c = chosen(row, choices)
  return c !== undefined && (c.take !== 'hand' || c.plain || check(c.text) === null)
}

/** The value that a choice makes of a row. */
export function valueOf(row: Row, c: Choice): Side {
  switch (c.take) {
    case 'version':
      return row.sides[c.n]
    case 'base':
      return row.base
    case 'both':
      return both(row)
    case 'hand':
      return c.plain ? c.text : parse(c.text)
  }
}

/** All sides in one value, for lists and texts; undefined where that makes no sense. */
export function both(row: Row): Side {
  const sides = row.sides.filter((s) => s !== undefined)
  if (row.attachment || sides.length < 2) return undefined
  if (sides.every((s) => Array.isArray(s))) return bothLists(Array.isArray(row.base) ? row.base : [], sides)
  if (sides.every((s) => typeof s === 'string')) {
    const texts = [...new Set(sides)]
    return texts.join(texts.some((s) => s.length > 60 || s.includes('\n')) ? '\n' : ' / ')
  }
  return undefined
}

/** What is in any list, without what was there before and any has removed. */
function bothLists(was: Json[], lists: Json[][]): Json[] {
  const text = (v: Json) => print(v)
  const before = new Set(was.map(text))
  const sets = lists.map((l) => new Set(l.map(text)))
  const out: Json[] = []
  const taken = new Set<string>()
  for (const [n, list] of lists.entries()) {
    for (const v of list) {
      const t = text(v)
      if (before.has(t) && !sets.every((s) => s.has(t))) continue
      if (n > 0 && taken.has(t)) continue
      taken.add(t)
      out.push(v)
    }
  }
  return out
}

/** The document that the choices make, as the child of a revision. Rows that nobody has decided have their first side. */
export function resultOf(plan: Plan, choices: Choices, id: string, rev: string): Obj {
  const make = (p: Part): Side => {
    if ('same' in p) return p.same
    if ('list' in p) return p.list.map((e) => make(e) ?? null)
    if ('object' in p) {
      const o = new Obj()
      for (const [name, e] of p.object) {
        const v = make(e)
        if (v !== undefined) o.members.push([name, v])
      }
      return o
    }
    return decided(p.row, choices) ? valueOf(p.row, chosen(p.row, choices)!) : p.row.sides[0]
  }
  const doc = new Obj([['_id', id], ['_rev', rev], ...(make(plan.body) as Obj).members])
  const attachments = make(plan.attachments) as Obj
  if (attachments.members.length) doc.members.push(['_attachments', attachments])
  return doc
}

/** A path as people read it: address.street, items[2].name */
export function pathText(path: Row['path']): string {
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : (i ? '.' : '') + (/^[\p{L}\p{N}_$-]+$/u.test(p) ? p : JSON.stringify(p)))).join('')
}

/** A text in three parts, of which the middle one differs from another text. */
export function changedPart(text: string, other: string): [string, string, string] {
  const most = Math.min(text.length, other.length)
  let a = 0
  while (a < most && text[a] === other[a]) a++
  let b = 0
  while (b < most - a && text[text.length - 1 - b] === other[other.length - 1 - b]) b++
  const half = (i: number) => i > 0 && i < text.length && /[\uD800-\uDBFF]/.test(text[i - 1]!) && /[\uDC00-\uDFFF]/.test(text[i]!)
  if (half(a)) a--
  let end = text.length - b
  if (half(end)) end++
  return [text.slice(0, a), text.slice(a, end), text.slice(end)]
}

/** A value as the text that a visitor starts to write from. */
export function handText(row: Row, from: Side): { text: string; plain: boolean } {
  const plain = row.sides.every((s) => s === undefined || typeof s === 'string')
  if (plain) return { text: typeof from === 'string' ? from : '', plain }
  return { text: from === undefined ? 'null' : print(from, true), plain }
}

/** A revision as people tell it from others. */
export const shortRev = (rev: string) => (rev.length > 12 ? rev.slice(0, rev.indexOf('-') + 8) + '…' : rev)

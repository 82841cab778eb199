// What differs between versions of a document, field by field, and what becomes of the visitor's choices.
// Nothing here knows the screen or the server.
import { check, Obj, parse, print, same, type Json } from '../../json'
import { compose, marked, mergeLines, mergeWords, type Lines, type Picks } from './lines'

/** A value, or that there is none. */
export type Side = Json | undefined

/** One version of the document, shown as a column. */
export interface Version {
  name: string
  /** '' for what the visitor has made */
  rev: string
  doc: Obj
}

/**
 * Two versions, or two groups of them, that are compared with what these two began with. Each step makes
 * one group of two; after the last one there is one group of all.
 */
export interface Step {
  a: number
  b: number
  /** null: it is not known */
  base: Obj | null
  /** its revision; '' if there is none */
  rev: string
}

export interface Row {
  /** the path as text, the same for the same place in any comparison */
  key: string
  path: (string | number)[]
  /** one for each version */
  sides: Side[]
  base: Side
  /** for each version what it had at the revision where it parted from the nearest other one */
  from: Side[]
  /** the version to take as long as nobody chooses: only its side was changed. -1: somebody has to */
  auto: number
  /** texts that several have changed, merged line by line */
  lines?: Lines | undefined
  /** long texts without lines, merged word by word */
  words?: string | undefined
  attachment: boolean
}

export type Choice = { take: 'version'; n: number } | { take: 'base' } | { take: 'both' } | { take: 'lines' } | { take: 'words' } | { take: 'pieces'; picks: Picks } | { take: 'rename'; names: string[] } | { take: 'hand'; text: string; plain: boolean }
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

// A text without lines is merged by words if it is so long.
const long = 60

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

/** What becomes of a place, step by step: the version that all agree on, or merged lines. */
function fold(sides: Side[], steps: Step[], froms: Side[], equal: (a: Side, b: Side) => boolean, names: string[]): Pick<Row, 'auto' | 'lines' | 'words'> {
  interface Group { version: number; value: Side; conflicts: number; lines?: Lines; words?: string | undefined }
  const group: Group[] = sides.map((value, version) => ({ version, value, conflicts: 0 }))
  steps.forEach((step, k) => {
    const a = group[step.a]!
    const b = group[step.b]!
    const was = froms[k]
    let now: Group = { version: -1, value: undefined, conflicts: -1 }
    if (a.conflicts >= 0 && b.conflicts >= 0) {
      if (equal(a.value, b.value)) now = a
      else if (step.base && equal(a.value, was)) now = b
      else if (step.base && equal(b.value, was)) now = a
      else if (typeof a.value === 'string' && typeof b.value === 'string') {
        const text = typeof was === 'string' ? was : undefined
        const lines = mergeLines(text, a.value, b.value, { a: names[step.a]!, b: names[step.b]! })
        const marks = a.conflicts + b.conflicts
        if (lines) now = { version: -1, value: lines.text, conflicts: lines.conflicts + marks, lines: { ...lines, parts: marks ? undefined : lines.parts } }
        else if (text !== undefined && text.length >= long && sides.length === 2) now.words = mergeWords(text, a.value, b.value)
      }
    }
    for (let i = 0; i < group.length; i++) if (group[i] === a || group[i] === b) group[i] = now
  })
  const { version, conflicts, lines, words } = group[0]!
  return { auto: version, lines: version < 0 && conflicts >= 0 ? { ...lines!, conflicts } : undefined, words }
}

/**
 * Compares versions. base is what all began with, null if that is not known. steps say which two to merge
 * after each other, with what those two began with; without them that is the same for all.
 */
export function compare(versions: Version[], base: Obj | null, steps: Step[] = versions.slice(1).map((_, i) => ({ a: 0, b: i + 1, base, rev: '' }))): Plan {
  const rows: Row[] = []
  const names = versions.map((v) => v.name)
  const nearest = versions.map((_, i) => steps.findIndex((s) => s.a === i || s.b === i))
  const row = (path: Row['path'], was: Side, sides: Side[], froms: Side[], attachment: boolean): Part => {
    const equal = (a: Side, b: Side) => (attachment ? same(content(a), content(b)) : same(a, b))
    const r: Row = {
      key: (attachment ? 'attachment ' : '') + JSON.stringify(path), path, sides, base: was, attachment,
      from: nearest.map((k) => (k < 0 ? was : froms[k])),
      ...fold(sides, steps, froms, equal, names),
    }
    rows.push(r)
    return { row: r }
  }
  const walk = (path: Row['path'], was: Side, sides: Side[], froms: Side[]): Part => {
    const first = sides[0]
    if (sides.every((s) => same(s, first))) return { same: first }
    if (path.length < deepest) {
      if (sides.every((s) => s instanceof Obj)) {
        const from = was instanceof Obj ? was : undefined
        return { object: namesOf(sides).map((name) => [name, walk([...path, name], from?.get(name), sides.map((s) => s.get(name)), froms.map((f) => (f instanceof Obj ? f.get(name) : undefined)))]) }
      }
      // A list of as many records everywhere is compared record by record; any other as a whole.
      const known = [...(base ? [was] : []), ...froms.filter((_, k) => steps[k]!.base)]
      if (sides.every(records) && known.every(records) && new Set([...sides, ...known].map((s) => s.length)).size === 1) {
        const at = (v: Side, i: number) => (Array.isArray(v) ? v[i] : undefined)
        return { list: sides[0]!.map((_, i) => walk([...path, i], at(was, i), sides.map((s) => s[i]), froms.map((f) => at(f, i)))) }
      }
    }
    return row(path, was, sides, froms, false)
  }
  const body = walk([], base ? bodyOf(base) : undefined, versions.map((v) => bodyOf(v.doc)), steps.map((s) => (s.base ? bodyOf(s.base) : undefined)))
  const held = versions.map((v) => attachmentsOf(v.doc))
  const had = base ? attachmentsOf(base) : undefined
  const attachments: Part = {
    object: namesOf(held).map((name): [string, Part] => {
      const sides = held.map((h) => h.get(name))
      return [name, sides.every((s) => same(content(s), content(sides[0]))) ? { same: sides[0] } : row([name], had?.get(name), sides, steps.map((s) => (s.base ? attachmentsOf(s.base).get(name) : undefined)), true)]
    }),
  }
  return { versions, base, rows, body, attachments }
}

/** What stands for a row as long as nothing is chosen; undefined if somebody has to. */
export function chosen(row: Row, choices: Choices): Choice | undefined {
  return choices.get(row.key) ?? (row.auto >= 0 ? { take: 'version', n: row.auto } : row.lines?.conflicts === 0 ? { take: 'lines' } : row.lines?.parts ? { take: 'pieces', picks: [] } : undefined)
}

/** Tells whether a row has all that it needs. */
export function decided(row: Row, choices: Choices): boolean {
  const c = chosen(row, choices)
  if (c?.take === 'hand') return c.plain ? !(row.lines?.conflicts && marked(c.text)) : check(c.text) === null
  if (c?.take === 'pieces') return !Array.from({ length: row.lines!.conflicts }, (_, i) => c.picks[i]).includes(undefined)
  return c !== undefined && (c.take !== 'rename' || c.names.every((n, i) => n !== '' && !n.startsWith('_') && n !== row.path[0] && c.names.indexOf(n) === i))
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
    case 'lines':
      return row.lines?.text
    case 'words':
      return row.words
    case 'pieces':
      return compose(row.lines!.parts!, c.picks, row.lines!.names)
    case 'rename':
      return contents(row)[0]
    case 'hand':
      return c.plain ? c.text : parse(c.text)
  }
}

/** The attachments of a row that differ. */
export function contents(row: Row): Obj[] {
  const all: Obj[] = []
  for (const s of row.sides) if (s instanceof Obj && !all.some((o) => same(content(o), content(s)))) all.push(s)
  return all
}

/** Names under which the attachments of a row can all stay: the first keeps its own. */
export function otherNames(row: Row, plan: Plan): string[] {
  const name = String(row.path[0])
  const dot = name.lastIndexOf('.')
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
  const taken = new Set(plan.versions.flatMap((v) => attachmentsOf(v.doc).names()))
  const out: string[] = []
  for (let n = 2; out.length < contents(row).length - 1; n++) {
    const other = `${stem}-${n}${end}`
    if (!taken.has(other)) out.push(other)
  }
  return out
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

/** The choice that keeps something of all versions; undefined if there is none. */
export function together(row: Row, plan: Plan): Choice | undefined {
  if (row.attachment) return contents(row).length > 1 ? { take: 'rename', names: otherNames(row, plan) } : undefined
  if (row.lines?.parts && row.lines.conflicts) return { take: 'pieces', picks: [] }
  if (row.lines) return row.lines.conflicts ? { take: 'hand', text: row.lines.text, plain: true } : { take: 'lines' }
  if (row.words !== undefined) return { take: 'words' }
  return both(row) === undefined ? undefined : { take: 'both' }
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
        const c = 'row' in e ? choices.get(e.row.key) : undefined
        if ('row' in e && c?.take === 'rename') c.names.forEach((n, i) => o.set(n, contents(e.row)[i + 1]!))
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

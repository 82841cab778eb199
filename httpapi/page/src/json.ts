// JSON without loss. JSON.parse makes 1e400 infinite, rounds 12345678901234567890, moves members
// whose names are numbers and drops repeated ones. A document that is to be saved must come through
// as it was, so it is handled as text, or as the tree of this file.

/** A number as it was written. */
export class Num {
  constructor(readonly text: string) {}
}

/** An object: its members in their order, repeated names included. */
export class Obj {
  constructor(readonly members: [string, Json][] = []) {}

  /** The value of the last member with a name, which is the one that counts. */
  get(name: string): Json | undefined {
    for (let i = this.members.length - 1; i >= 0; i--) {
      const m = this.members[i]!
      if (m[0] === name) return m[1]
    }
    return undefined
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  names(): string[] {
    return this.members.map((m) => m[0])
  }

  /** Gives a member a value in its place, or adds it at the end. */
  set(name: string, value: Json): void {
    const at = this.members.findLastIndex((m) => m[0] === name)
    if (at < 0) this.members.push([name, value])
    else this.members[at] = [name, value]
  }

  /** Removes all members with a name. */
  delete(name: string): void {
    for (let i = this.members.length - 1; i >= 0; i--) if (this.members[i]![0] === name) this.members.splice(i, 1)
  }
}

/** A JSON value whose numbers are Num and whose objects are Obj. */
export type Json = null | boolean | string | Num | Json[] | Obj

/** Text that is not JSON: what is wrong, and where. */
export class JSONError extends Error {
  constructor(
    message: string,
    /** index in the text */
    readonly at: number,
  ) {
    super(message)
  }

  /** Line and column, both from 1. */
  place(text: string): { line: number; column: number } {
    const before = text.slice(0, this.at)
    return { line: before.split('\n').length, column: this.at - before.lastIndexOf('\n') }
  }
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const blank = /[ \t\n\r]*/y
const plain = /[^"\\\u0000-\u001f]*/y

/** One token of JSON text: punctuation stands for itself, a value has its source text. */
interface Token {
  kind: '{' | '}' | '[' | ']' | ':' | ',' | 'string' | 'number' | 'word' | 'end'
  from: number
  to: number
}

/** Scanner reads tokens and says clearly what is wrong with one. */
class Scanner {
  at = 0
  constructor(readonly text: string) {}

  next(): Token {
    blank.lastIndex = this.at
    blank.exec(this.text)
    const from = blank.lastIndex
    const c = this.text[from]
    if (c === undefined) return this.token('end', from, from)
    switch (c) {
      case '{': case '}': case '[': case ']': case ':': case ',':
        return this.token(c, from, from + 1)
      case '"':
        return this.token('string', from, this.stringEnd(from))
      case "'":
        throw new JSONError('a string stands in double quotes', from)
    }
    number.lastIndex = from
    const n = number.exec(this.text)
    if (n) {
      const to = from + n[0].length
      if (/[\w.+]/.test(this.text[to] ?? '')) throw new JSONError('this is not a number in JSON', from)
      return this.token('number', from, to)
    }
    const word = /^[A-Za-z_$][\w$]*/.exec(this.text.slice(from, from + 60))?.[0]
    if (word === 'true' || word === 'false' || word === 'null') return this.token('word', from, from + word.length)
    if (word) throw new JSONError(`${word} is no value in JSON; a text stands in double quotes`, from)
    throw new JSONError(`${JSON.stringify(c)} cannot stand here`, from)
  }

  private token(kind: Token['kind'], from: number, to: number): Token {
    this.at = to
    return { kind, from, to }
  }

  private stringEnd(from: number): number {
    const { text } = this
    for (let i = from + 1; ; ) {
      plain.lastIndex = i
      plain.exec(text)
      i = plain.lastIndex
      const c = text[i]
      if (c === '"') return i + 1
      if (c === undefined || c === '\n' || c === '\r') throw new JSONError('the string has no end', from)
      if (c !== '\\') throw new JSONError('a control character in a string is written as \\u00' + c.charCodeAt(0).toString(16).padStart(2, '0'), i)
      const e = text[i + 1]
      if (e === 'u') {
        if (!/^[\da-fA-F]{4}$/.test(text.slice(i + 2, i + 6))) throw new JSONError('\\u wants four hexadecimal digits', i)
        i += 6
      } else if (e !== undefined && '"\\/bfnrt'.includes(e)) i += 2
      else throw new JSONError('there is no such escape in JSON', i)
    }
  }
}

/** What a sequence of tokens means; walk calls it in the order of the text. */
interface Listener {
  value(t: Token): void
  name(t: Token): void
  open(t: Token): void
  close(t: Token): void
}

/** Reads a whole text. It keeps its own stack, so that no depth can break it. */
function walk(text: string, hear: Listener): void {
  const s = new Scanner(text)
  const stack: ('{' | '[')[] = []
  let t = s.next()
  for (;;) {
    // a value begins at t
    if (t.kind === 'string' || t.kind === 'number' || t.kind === 'word') hear.value(t)
    else if (t.kind === '{' || t.kind === '[') {
      hear.open(t)
      stack.push(t.kind)
      const first = s.next()
      if (first.kind === (t.kind === '{' ? '}' : ']')) {
        hear.close(first)
        stack.pop()
      } else if (t.kind === '{') {
        t = member(s, first, hear)
        continue
      } else {
        t = first
        continue
      }
    } else throw new JSONError(t.kind === 'end' ? 'the text ends too early' : 'a value is missing here', t.from)
    // a value has ended
    for (;;) {
      const next = s.next()
      const inside = stack.at(-1)
      if (inside === undefined) {
        if (next.kind !== 'end') throw new JSONError('there is more after the end', next.from)
        return
      }
      if (next.kind === ',') {
        t = s.next()
        if (t.kind === '}' || t.kind === ']') throw new JSONError('there is a comma too many before this', t.from)
        if (inside === '{') t = member(s, t, hear)
        break
      }
      if (next.kind !== (inside === '{' ? '}' : ']')) {
        throw new JSONError(next.kind === 'end' ? `a ${inside === '{' ? '}' : ']'} is missing at the end` : 'a comma is missing before this', next.from)
      }
      hear.close(next)
      stack.pop()
    }
  }
}

/** Reads the name of a member and its colon, and returns the first token of its value. */
function member(s: Scanner, t: Token, hear: Listener): Token {
  if (t.kind !== 'string') throw new JSONError(t.kind === 'end' ? 'a } is missing at the end' : 'the name of a member stands in double quotes', t.from)
  hear.name(t)
  const colon = s.next()
  if (colon.kind !== ':') throw new JSONError('a colon is missing after the name', colon.from)
  return s.next()
}

function unquote(source: string): string {
  return source.includes('\\') ? (JSON.parse(source) as string) : source.slice(1, -1)
}

/** Makes a tree of JSON text. Throws a JSONError. */
export function parse(text: string): Json {
  const stack: { into: Json[] | Obj; name: string }[] = []
  let whole: Json = null
  const add = (v: Json) => {
    const top = stack.at(-1)
    if (!top) whole = v
    else if (Array.isArray(top.into)) top.into.push(v)
    else top.into.members.push([top.name, v])
  }
  walk(text, {
    value(t) {
      const source = text.slice(t.from, t.to)
      if (t.kind === 'number') add(new Num(source))
      else if (t.kind === 'string') add(unquote(source))
      else add(source === 'null' ? null : source === 'true')
    },
    name(t) {
      stack.at(-1)!.name = unquote(text.slice(t.from, t.to))
    },
    open(t) {
      const v: Json[] | Obj = t.kind === '{' ? new Obj() : []
      add(v)
      stack.push({ into: v, name: '' })
    },
    close() {
      stack.pop()
    },
  })
  return whole
}

/** Checks a text, and says what is wrong; null if nothing is. */
export function check(text: string): JSONError | null {
  const nothing = () => {}
  try {
    walk(text, { value: nothing, name: nothing, open: nothing, close: nothing })
    return null
  } catch (e) {
    if (e instanceof JSONError) return e
    throw e
  }
}

/** Lays a text out in lines, two blanks for each level. Every value keeps its source text. */
export function pretty(text: string): string {
  const out: string[] = []
  let depth = 0
  let fresh = true // nothing stands in the present object or array
  let named = false
  const line = () => out.push('\n' + '  '.repeat(depth))
  const before = () => {
    if (named) named = false
    else if (depth > 0) {
      if (!fresh) out.push(',')
      line()
    }
    fresh = false
  }
  walk(text, {
    value(t) {
      before()
      out.push(text.slice(t.from, t.to))
    },
    name(t) {
      before()
      out.push(text.slice(t.from, t.to), ': ')
      named = true
    },
    open(t) {
      before()
      out.push(t.kind)
      depth++
      fresh = true
    },
    close(t) {
      depth--
      if (!fresh) line()
      out.push(t.kind)
      fresh = false
    },
  })
  return out.join('')
}

/** Writes a tree as text: on one line, or laid out if spread. */
export function print(value: Json, spread = false): string {
  const out: string[] = []
  const end = Symbol('end')
  const work: (Json | string | { raw: string } | typeof end)[] = []
  const raw = (text: string) => ({ raw: text })
  work.push(value)
  while (work.length) {
    const v = work.pop() as Json | { raw: string }
    if (v instanceof Num) out.push(v.text)
    else if (v instanceof Obj) {
      work.push(raw('}'))
      for (let i = v.members.length - 1; i >= 0; i--) {
        const m = v.members[i]!
        work.push(m[1], raw(JSON.stringify(m[0]) + ':'))
        if (i > 0) work.push(raw(','))
      }
      work.push(raw('{'))
    } else if (Array.isArray(v)) {
      work.push(raw(']'))
      for (let i = v.length - 1; i >= 0; i--) {
        work.push(v[i]!)
        if (i > 0) work.push(raw(','))
      }
      work.push(raw('['))
    } else if (v !== null && typeof v === 'object') out.push(v.raw)
    else out.push(JSON.stringify(v))
  }
  const text = out.join('')
  return spread ? pretty(text) : text
}

/** Tells whether two values are the same to CouchDB: the order of members counts, and how a number is written. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  return print(a) === print(b)
}

/** Where something stands in a text: indexes, to is behind it. */
export interface Span {
  /** names of members, and numbers of elements, from the outside in */
  path: (string | number)[]
  from: number
  to: number
}

/**
 * Where the members of an object stand, names included, and everything below them down to depth
 * levels. Throws a JSONError.
 */
export function spans(text: string, depth = 1): Span[] {
  const found: Span[] = []
  const stack: { kind: string; n: number; name: string; begin: number }[] = []
  const path = () => stack.map((s) => (s.kind === '{' ? s.name : s.n))
  const end = (to: number) => {
    const top = stack.at(-1)
    if (!top) return
    if (stack.length <= depth) found.push({ path: path(), from: top.begin, to })
    top.n++
  }
  const begin = (t: Token) => {
    const top = stack.at(-1)
    if (top?.kind === '[') top.begin = t.from
  }
  walk(text, {
    value(t) {
      begin(t)
      end(t.to)
    },
    name(t) {
      const top = stack.at(-1)!
      top.name = unquote(text.slice(t.from, t.to))
      top.begin = t.from
    },
    open(t) {
      begin(t)
      stack.push({ kind: t.kind, n: 0, name: '', begin: t.from })
    },
    close(t) {
      stack.pop()
      end(t.to)
    },
  })
  return found
}

/**
 * Takes members out of the text of an object: the text without them, and the source of each one's
 * value by its name. Everything else stays to the letter.
 */
export function take(text: string, which: (name: string) => boolean): { rest: string; taken: Map<string, string> } {
  const all = spans(text)
  const taken = new Map<string, string>()
  const keep: string[] = []
  for (const s of all) {
    const name = String(s.path[0])
    const source = text.slice(s.from, s.to)
    if (!which(name)) keep.push(source)
    else {
      taken.set(name, source.slice(source.indexOf(':', nameEnd(source)) + 1).trim())
    }
  }
  return { rest: taken.size ? '{' + keep.join(',') + '}' : text, taken }
}

/** The index behind the quoted name that a text begins with. */
function nameEnd(source: string): number {
  for (let i = 1; i < source.length; i++) {
    if (source[i] === '\\') i++
    else if (source[i] === '"') return i + 1
  }
  return source.length
}

/** Puts members before all others of the text of an object. sources are texts of values. */
export function put(text: string, sources: readonly (readonly [name: string, source: string])[]): string {
  if (sources.length === 0) return text
  const open = text.indexOf('{')
  const added = sources.map(([name, source]) => JSON.stringify(name) + ':' + source).join(',')
  const rest = text.slice(open + 1)
  return text.slice(0, open + 1) + added + (rest.trimStart().startsWith('}') ? '' : ',') + rest
}

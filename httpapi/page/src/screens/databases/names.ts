// The names of databases, a page at a time where they are looked at. Those of users' own databases are only
// read when somebody unfolds them or searches for them.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { left } from '../../api'
import { useLoad } from '../../load'
import { usePages } from '../../parts/pages'

export type Line = { kind: 'db'; name: string; user?: string | undefined } | { kind: 'fold'; open: boolean; count: number }

export interface Names {
  /** undefined until it is known */
  count: number | undefined
  /** there may be more; look at the end of the lines to have them read */
  more: boolean
  line: (index: number) => Line | undefined
  error: unknown
  /** give it to the Table */
  onVisible: (from: number, to: number) => void
  toggle: () => void
  reload: () => void
  /** after what is on its way */
  refresh: () => void
}

const last = '\u{10ffff}' // no name has it

/** The user whose own database this is; CouchDB writes the name in hexadecimal digits. */
function userOf(name: string, prefix: string): string | undefined {
  if (!name.startsWith(prefix)) return undefined
  const hex = name.slice(prefix.length)
  if (!/^(?:[0-9a-f]{2})+$/.test(hex)) return undefined
  return new TextDecoder().decode(Uint8Array.from(hex.match(/../g)!, (h) => parseInt(h, 16)))
}

const hexOf = (text: string): string => [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, '0')).join('')

/** Names from one on, and before another one. */
interface Range {
  from?: string | undefined
  to?: string | undefined
}

const bounds = (r: Range, descending = false): api.Query => {
  const [from, to] = [r.from && JSON.stringify(r.from), r.to && JSON.stringify(r.to)]
  return descending ? { startkey: to, endkey: from, descending } : { startkey: from, endkey: to }
}

async function countOf(r: Range, signal: AbortSignal): Promise<number> {
  const res = await api.read(['_all_dbs'], { method: 'HEAD', query: { ...bounds(r), limit: 0, count: true }, signal })
  return Number(res.headers.get('Total-Rows'))
}

/** A part of a range of so many names. Skipping costs the server what it skips, so the second half is read from the end. */
async function part(r: Range, count: number, skip: number, limit: number, signal: AbortSignal): Promise<string[]> {
  if (skip <= count / 2) return api.get(['_all_dbs'], { ...bounds(r), skip, limit }, signal)
  const back = await api.get<string[]>(['_all_dbs'], { ...bounds(r, true), skip: count - skip - limit, limit }, signal)
  return back.reverse()
}

/** What the list consists of: names, and the line that unfolds users' databases. */
type Piece = { count: number } & ({ range: Range } | { fold: number })

/** Names that begin so, their own or those of the users whose databases they are. */
function beginning(search: string, prefix: string): Range[] {
  const name = search.toLowerCase()
  const own = prefix + hexOf(search)
  const ranges = own.startsWith(name) ? [name] : [name, own]
  return ranges.map((from) => ({ from, to: from + last }))
}

async function piecesOf(search: string, prefix: string, open: boolean, signal: AbortSignal): Promise<Piece[]> {
  const counted = async (range: Range): Promise<Piece> => ({ range, count: await countOf(range, signal) })
  if (search !== '') return Promise.all(beginning(search, prefix).map(counted))
  const users = { from: prefix, to: prefix + last }
  const [before, behind, theirs] = await Promise.all([{ to: prefix }, { from: prefix + last }, users].map(counted))
  const all = [before!, behind!]
  if (theirs!.count > 0) all.push({ fold: theirs!.count, count: 1 })
  return open ? [...all, theirs!] : all
}

/** Names of databases in their order. search is how they begin; prefix is how users' databases do. */
export function useNames(search: string, prefix: string): Names {
  const [open, setOpen] = useState(false)
  const list = useLoad(async (signal) => ({ of: JSON.stringify([search, prefix, open]), pieces: await piecesOf(search, prefix, open, signal) }), [search, prefix, open])
  const pages = usePages<Line>(async (skip, limit, signal) => {
    const lines: Line[] = []
    let at = 0 // lines of the pieces before
    for (const p of list.value?.pieces ?? []) {
      const from = Math.max(0, skip - at)
      const to = Math.min(p.count, skip + limit - at)
      at += p.count
      if (from >= to) continue
      if ('fold' in p) lines.push({ kind: 'fold', open, count: p.fold })
      else lines.push(...(await part(p.range, p.count, from, to - from, signal)).map((name): Line => ({ kind: 'db', name, user: userOf(name, prefix) })))
    }
    return lines
  }, [list.value?.of])
  // The same list again: the rows that are seen stay until they are read.
  const was = useRef<string>(undefined)
  useEffect(() => {
    if (list.value && was.current === list.value.of) pages.refresh()
    was.current = list.value?.of
  }, [list.value])
  return {
    count: list.value?.pieces.reduce((n, p) => n + p.count, 0),
    more: false,
    line: pages.row,
    error: list.error ?? pages.error,
    onVisible: pages.onVisible,
    toggle: () => setOpen(!open),
    reload: list.reload,
    refresh: list.refresh,
  }
}

const chunk = 1000
const enough = 200 // found names that are read at first, and beyond what is seen

/** Names that have a text anywhere. They have no order of their own, so names are read until enough are found. */
export function useAnywhere(search: string, prefix: string): Names {
  const [turn, setTurn] = useState(0)
  const [, redraw] = useState(0)
  const [error, setError] = useState<unknown>()
  const state = useMemo(() => ({ found: [] as Line[], from: undefined as string | undefined, ended: search === '', reading: false, left: new AbortController() }), [search, prefix, turn])
  const want = search.toLowerCase()
  const read = async (wanted: number) => {
    if (state.reading || state.ended) return
    state.reading = true
    try {
      while (!state.ended && state.found.length < wanted) {
        const got = await api.get<string[]>(['_all_dbs'], { ...bounds({ from: state.from }), limit: chunk + 1 }, state.left.signal)
        for (const name of got.slice(0, chunk)) {
          const user = userOf(name, prefix)
          if (name.includes(want) || user?.toLowerCase().includes(want)) state.found.push({ kind: 'db', name, user })
        }
        state.from = got[chunk]
        state.ended = got.length <= chunk
        redraw((n) => n + 1)
      }
      setError(undefined)
    } catch (e) {
      if (!left(e)) setError(e)
    } finally {
      state.reading = false
      redraw((n) => n + 1)
    }
  }
  useEffect(() => {
    void read(enough)
    return () => state.left.abort()
  }, [state])
  return {
    count: state.found.length || state.ended ? state.found.length : undefined,
    more: !state.ended,
    line: (i) => state.found[i],
    error,
    onVisible: (_from, to) => void (to > state.found.length - enough / 2 && read(state.found.length + enough)),
    toggle: () => {},
    reload: () => setTurn((n) => n + 1),
    refresh: () => state.ended && setTurn((n) => n + 1),
  }
}

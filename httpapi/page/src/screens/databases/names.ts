// The names of databases, read as they are looked at. Those of users' own databases are only read
// when somebody unfolds them or searches.
import { useEffect, useMemo, useState } from 'preact/hooks'
import * as api from '../../api'
import { left } from '../../api'

const chunk = 1000

export type Line = { kind: 'db'; name: string; user?: string } | { kind: 'fold'; open: boolean }

export interface Names {
  lines: Line[]
  /** there may be more; look at the end of the lines to have them read */
  more: boolean
  loading: boolean
  error: unknown
  /** give it to the Table */
  onVisible: (from: number, to: number) => void
  toggle: () => void
  reload: () => void
}

const last = '\u{10ffff}'

/** What to read: ranges of names, one after the other. */
interface Reading {
  from: string | undefined
  to: string | undefined
  users: boolean
}

/** The user whose own database this is; CouchDB writes the name in hexadecimal digits. */
function userOf(name: string, prefix: string): string | undefined {
  const hex = name.slice(prefix.length)
  if (!/^(?:[0-9a-f]{2})+$/.test(hex)) return undefined
  return new TextDecoder().decode(Uint8Array.from(hex.match(/../g)!, (h) => parseInt(h, 16)))
}

/** Reads names. search is a part of them; prefix is what users' databases begin with. */
export function useNames(search: string, prefix: string): Names {
  const [open, setOpen] = useState(false)
  const [turn, setTurn] = useState(0)
  const [, redraw] = useState(0)
  const [error, setError] = useState<unknown>()
  const all = search !== ''
  const state = useMemo(() => {
    const todo: Reading[] = [{ from: undefined, to: prefix, users: false }, { from: prefix + last, to: undefined, users: false }]
    if (open || all) todo.push({ from: prefix, to: prefix + last, users: true })
    return { todo, plain: [] as string[], users: [] as string[], any: false, loading: false, ended: new AbortController() }
  }, [open, all, turn, prefix])

  const read = async () => {
    if (state.loading || state.ended.signal.aborted) return
    state.loading = true
    try {
      if (state.plain.length === 0 && state.users.length === 0) {
        state.any = (await api.get<string[]>(['_all_dbs'], { startkey: JSON.stringify(prefix), endkey: JSON.stringify(prefix + last), limit: 1 }, state.ended.signal)).length > 0
      }
      do {
        const r = state.todo[0]
        if (!r) break
        const got = await api.get<string[]>(['_all_dbs'], { startkey: r.from && JSON.stringify(r.from), endkey: r.to && JSON.stringify(r.to), limit: chunk + 1 }, state.ended.signal)
        ;(r.users ? state.users : state.plain).push(...got.slice(0, chunk))
        if (got.length > chunk) r.from = got[chunk]
        else state.todo.shift()
        redraw((n) => n + 1)
      } while (all || state.todo[0] && state.plain.length + state.users.length < 200)
      setError(undefined)
    } catch (e) {
      if (!left(e)) setError(e)
    } finally {
      state.loading = false
      redraw((n) => n + 1)
    }
  }
  useEffect(() => {
    void read()
    return () => state.ended.abort()
  }, [state])

  const want = search.toLowerCase()
  const lines = useMemo(() => {
    const line = (name: string): Line => ({ kind: 'db', name, user: name.startsWith(prefix) ? userOf(name, prefix) : undefined } as Line)
    if (all) return [...state.plain, ...state.users].map(line).filter((l) => l.kind === 'db' && (l.name.toLowerCase().includes(want) || l.user?.toLowerCase().includes(want)))
    const list = state.plain.map(line)
    if (state.any && !state.todo.some((r) => !r.users)) list.push({ kind: 'fold', open }, ...state.users.map(line))
    return list
  }, [state, want, open, state.plain.length, state.users.length, state.todo.length, state.any])
  return {
    lines,
    more: state.todo.length > 0,
    loading: state.loading,
    error,
    onVisible: (_from, to) => {
      if (state.todo.length > 0 && to > lines.length - 100) void read()
    },
    toggle: () => setOpen(!open),
    reload: () => setTurn((n) => n + 1),
  }
}

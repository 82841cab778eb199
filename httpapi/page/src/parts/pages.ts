// Rows that are loaded a page at a time, where they are looked at, and forgotten when others are.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { left } from '../api'

/** rows of a page */
export const pageSize = 100
const kept = 30 // pages

export interface Pages<T> {
  /** undefined while it is being loaded */
  row: (index: number) => T | undefined
  /** give it to a Table */
  onVisible: (from: number, to: number) => void
  error: unknown
  /** Loads again what is seen; the old rows stay until then. */
  reload: () => void
  /** The same, after what is on its way: for what changes often (see Loaded). */
  refresh: () => void
}

/**
 * Rows of a long list by their number, for a Table. load reads a page; what is not looked at any more
 * is not waited for. With other deps it is another list.
 */
export function usePages<T>(load: (skip: number, limit: number, signal: AbortSignal) => Promise<T[]>, deps: readonly unknown[]): Pages<T> {
  const [, shown] = useState(0)
  const [turn, setTurn] = useState(0)
  const [error, setError] = useState<unknown>(undefined)
  const reload = () => setTurn((n) => n + 1)
  const latest = useRef(load)
  latest.current = load
  const list = useMemo(() => ({ old: new Map<number, T[]>() }), deps)
  const state = useMemo(() => ({ pages: new Map<number, T[]>(), asked: new Map<number, AbortController>(), again: false }), [...deps, turn])
  useEffect(() => {
    setError(undefined)
    return () => {
      // What was not read yet is shown as it was before.
      list.old = new Map([...list.old, ...state.pages].slice(-kept))
      state.asked.forEach((c) => c.abort())
    }
  }, [state])

  const onVisible = useMemo(
    () => (from: number, to: number) => {
      const first = Math.floor(from / pageSize)
      const end = Math.ceil(to / pageSize)
      for (const [n, c] of state.asked) if (n < first || n >= end) c.abort()
      for (let n = first; n < end; n++) {
        const has = state.pages.get(n)
        if (has) {
          state.pages.delete(n) // so that it is the youngest
          state.pages.set(n, has)
          continue
        }
        if (state.asked.has(n)) continue
        const c = new AbortController()
        state.asked.set(n, c)
        latest
          .current(n * pageSize, pageSize, c.signal)
          .then((rows) => {
            state.pages.set(n, rows)
            for (const old of state.pages.keys()) {
              if (state.pages.size <= kept) break
              state.pages.delete(old)
            }
          })
          .catch((e: unknown) => !left(e) && setError(e))
          .finally(() => {
            state.asked.delete(n)
            if (state.again && state.asked.size === 0) reload()
            state.again &&= state.asked.size > 0
            shown((k) => k + 1)
          })
      }
    },
    [state],
  )
  return {
    row: (i) => (state.pages.get(Math.floor(i / pageSize)) ?? list.old.get(Math.floor(i / pageSize)))?.[i % pageSize],
    onVisible,
    error,
    reload,
    refresh: () => (state.asked.size > 0 ? (state.again = true) : reload()),
  }
}

// Loading things for a screen: what is asked ends when the screen is left.
import { useEffect, useRef, useState } from 'preact/hooks'
import { left } from './api'

/** A signal that is aborted when the component leaves the page. */
export function useAbort(): AbortSignal {
  const held = useRef<AbortController>(undefined)
  held.current ??= new AbortController()
  useEffect(() => {
    if (held.current!.signal.aborted) held.current = new AbortController()
    return () => held.current!.abort()
  }, [])
  return held.current.signal
}

export interface Loaded<T> {
  value: T | undefined
  error: unknown
  loading: boolean
  /** Loads it again, and keeps the old value until then. */
  reload: () => void
  /**
   * The same, after what is on its way: for what is asked regularly. Over a slow line an answer may take longer
   * than the pause until it is asked for again, and would never come if it were given up then.
   */
  refresh: () => void
}

/** Loads a value, and again when one of deps changes; then the old request ends. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[]): Loaded<T> {
  const [state, set] = useState<{ value: T | undefined; error: unknown; loading: boolean }>({ value: undefined, error: undefined, loading: true })
  const [turn, setTurn] = useState(0)
  const now = useRef({ pending: false, again: false })
  const reload = () => setTurn((n) => n + 1)
  useEffect(() => {
    const c = new AbortController()
    now.current = { pending: true, again: false }
    set((old) => ({ ...old, loading: true }))
    const ended = () => {
      const { again } = now.current
      now.current = { pending: false, again: false }
      if (again) reload()
    }
    load(c.signal).then(
      (value) => !c.signal.aborted && (set({ value, error: undefined, loading: false }), ended()),
      (error: unknown) => !c.signal.aborted && !left(error) && (set((old) => ({ ...old, error, loading: false })), ended()),
    )
    return () => c.abort()
  }, [...deps, turn])
  return { ...state, reload, refresh: () => (now.current.pending ? (now.current.again = true) : reload()) }
}

/**
 * Runs a function every so many milliseconds while the component is shown and the page is visible, but not before
 * what it has promised is done.
 */
export function useEvery(ms: number, run: () => unknown): void {
  const latest = useRef(run)
  latest.current = run
  useEffect(() => {
    let busy = false
    const t = setInterval(() => {
      if (document.hidden || busy) return
      busy = true
      void Promise.resolve(latest.current()).catch(() => {}).finally(() => (busy = false))
    }, ms)
    return () => clearInterval(t)
  }, [ms])
}

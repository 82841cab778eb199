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
}

/** Loads a value, and again when one of deps changes; then the old request ends. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[]): Loaded<T> {
  const [state, set] = useState<{ value: T | undefined; error: unknown; loading: boolean }>({ value: undefined, error: undefined, loading: true })
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    const c = new AbortController()
    set((old) => ({ ...old, loading: true }))
    load(c.signal).then(
      (value) => !c.signal.aborted && set({ value, error: undefined, loading: false }),
      (error: unknown) => !c.signal.aborted && !left(error) && set((old) => ({ ...old, error, loading: false })),
    )
    return () => c.abort()
  }, [...deps, turn])
  return { ...state, reload: () => setTurn((n) => n + 1) }
}

/** Runs a function every so many milliseconds while the component is shown and the page is visible. */
export function useEvery(ms: number, run: () => void): void {
  const latest = useRef(run)
  latest.current = run
  useEffect(() => {
    const t = setInterval(() => !document.hidden && latest.current(), ms)
    return () => clearInterval(t)
  }, [ms])
}

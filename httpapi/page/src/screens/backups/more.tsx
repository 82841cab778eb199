import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useLoad } from '../../load'
import { left } from '../../api'
import { Button } from '../../parts/button'

interface Part<T> {
  rows: T[]
  next: string | null
}

export interface More<T> {
  rows: T[] | undefined
  error: unknown
  reload: () => void
  /** a button for the next rows; nothing if there are none */
  button: JSX.Element | null
}

/** A list whose next page begins with a key: one page, and one more for each press of a button. */
export function useMore<T>(load: (startkey: string | undefined, signal: AbortSignal) => Promise<Part<T>>, deps: readonly unknown[]): More<T> {
  const first = useLoad((signal) => load(undefined, signal), deps)
  const abort = useRef(new AbortController())
  const [more, setMore] = useState<Part<T>>()
  const [error, setError] = useState<unknown>(undefined)
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    setMore(undefined)
    setError(undefined)
    setBusy(false)
    const c = (abort.current = new AbortController())
    return () => c.abort() // what comes then belongs to another list
  }, [first.value])
  const next = (more ?? first.value)?.next
  const press = () => {
    const before = more?.rows ?? []
    setBusy(true)
    load(next!, abort.current.signal).then(
      (p) => {
        setMore({ rows: [...before, ...p.rows], next: p.next })
        setBusy(false)
      },
      (e: unknown) => {
        if (left(e)) return
        setBusy(false)
        setError(e)
      },
    )
  }
  return {
    rows: first.value && [...first.value.rows, ...(more?.rows ?? [])],
    error: first.error ?? error,
    reload: first.reload,
    button: next ? <div><Button onClick={press} busy={busy}>More</Button></div> : null,
  }
}

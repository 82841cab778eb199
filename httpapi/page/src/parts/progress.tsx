import type { ComponentChildren, JSX } from 'preact'
import { useLayoutEffect, useState } from 'preact/hooks'

/** A progress bar. part is from 0 to 1; undefined: nobody knows how far it is. */
export function Progress({ label, part, note }: { label: string; part?: number | undefined; note?: ComponentChildren }): JSX.Element {
  return (
    <div class="progress">
      <div class="line">
        <span>{label}</span>
        <span class="note">{note ?? (part === undefined ? '' : `${Math.floor(part * 100)} %`)}</span>
      </div>
      {part === undefined ? <progress aria-label={label} /> : <progress aria-label={label} max={1} value={part} />}
    </div>
  )
}

const quick = 300 // ms in which nobody waits, as in style.css
// How long the visitor has waited already: code, then what it shows, then what stands in that. index.html begins.
let begun = 0
let ended = performance.now()
let shown = 0

/** Shows that something is being loaded, once that takes a while. */
export function Waiting({ label = 'Loading' }: { label?: string }): JSX.Element {
  const [delay] = useState(() => {
    const now = performance.now()
    if (shown === 0 && now - ended > 100) begun = now
    return Math.max(0, quick - (now - begun))
  })
  useLayoutEffect(() => {
    shown++
    return () => {
      shown--
      ended = performance.now()
    }
  }, [])
  return <div class="waiting" role="status" style={{ animationDelay: `${delay}ms` }}>{label}…</div>
}

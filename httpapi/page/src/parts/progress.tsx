import type { ComponentChildren, JSX } from 'preact'

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

/** Shows that something is being loaded, once that takes a while. */
export function Waiting({ label = 'Loading' }: { label?: string }): JSX.Element {
  return <div class="waiting" role="status">{label}…</div>
}

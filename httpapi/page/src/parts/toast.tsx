import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { words } from '../api'

interface Toast {
  id: number
  kind: 'done' | 'failed'
  text: string
}

const toasts = signal<Toast[]>([])
let last = 0

function add(kind: Toast['kind'], text: string): void {
  const id = ++last
  toasts.value = [...toasts.value, { id, kind, text }]
  setTimeout(() => drop(id), kind === 'failed' ? 15_000 : 5_000)
}

const drop = (id: number) => (toasts.value = toasts.value.filter((t) => t.id !== id))

/** Says for a moment that something was done. */
export const done = (text: string): void => add('done', text)

/** Says what went wrong, in words. */
export const failed = (e: unknown): void => add('failed', typeof e === 'string' ? e : words(e))

/** Where they appear; it stands once on the page. */
export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((t) => (
        <div key={t.id} class={`toast ${t.kind}`}>
          <span>{t.text}</span>
          <button type="button" class="button quiet" aria-label="Dismiss" onClick={() => drop(t.id)}>✕</button>
        </div>
      ))}
    </div>
  )
}

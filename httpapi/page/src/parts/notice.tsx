import type { ComponentChildren, JSX } from 'preact'
import { words } from '../api'

/** Something to know, in its place on the screen. */
export function Notice({ kind = 'info', children, actions }: { kind?: 'info' | 'warning' | 'error' | 'good'; children: ComponentChildren; actions?: ComponentChildren }): JSX.Element {
  return (
    <div class={`notice ${kind}`} role={kind === 'error' ? 'alert' : 'note'}>
      <div>{children}</div>
      {actions && <div class="actions">{actions}</div>}
    </div>
  )
}

/** What went wrong, and a way to try again. Nothing if nothing did. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }): JSX.Element | null {
  if (error === undefined || error === null) return null
  return (
    <Notice kind="error" actions={retry && <button type="button" class="button" onClick={retry}>Try again</button>}>
      {words(error)}
    </Notice>
  )
}

/** What a list shows that has nothing. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="title">{title}</p>
      {children}
    </div>
  )
}

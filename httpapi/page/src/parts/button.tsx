import type { ComponentChildren, JSX } from 'preact'

export interface ButtonProps {
  children: ComponentChildren
  onClick?: () => void
  kind?: 'primary' | 'plain' | 'danger' | 'quiet'
  type?: 'button' | 'submit'
  disabled?: boolean
  /** something is going on: the button shows it, and takes no click */
  busy?: boolean
  /** the name for those who do not see it; needed if children are a picture */
  label?: string
  title?: string
  pressed?: boolean
}

/** A button. */
export function Button({ children, onClick, kind = 'plain', type = 'button', disabled, busy, label, title, pressed }: ButtonProps): JSX.Element {
  return (
    <button type={type} class={`button ${kind}`} onClick={onClick} disabled={disabled || busy} aria-busy={busy} aria-label={label} aria-pressed={pressed} title={title ?? label}>
      {children}
    </button>
  )
}

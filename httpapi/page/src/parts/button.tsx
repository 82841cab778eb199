import type { ComponentChildren, JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'

export interface ButtonProps {
  children: ComponentChildren
  onClick?: () => void
  kind?: 'primary' | 'plain' | 'danger' | 'quiet'
  type?: 'button' | 'submit'
  disabled?: boolean | undefined
  /** something is going on: the button shows it, and takes no click */
  busy?: boolean
  /** the name for those who do not see it; needed if children are a picture */
  label?: string
  title?: string
  pressed?: boolean
  autofocus?: boolean
}

/** A button. The keyboard stays on it when it cannot be pressed any more: it would have no place then. */
export function Button({ children, onClick, kind = 'plain', type = 'button', disabled = false, busy = false, label, title, pressed, autofocus }: ButtonProps): JSX.Element {
  const ref = useRef<HTMLButtonElement>(null)
  const [, left] = useState(0)
  const off = disabled || busy
  const held = off && ref.current !== null && document.activeElement === ref.current
  return (
    <button
      ref={ref}
      type={type}
      class={`button ${kind}`}
      onClick={(e) => {
        if (off) e.preventDefault()
        else onClick?.()
      }}
      onBlur={() => held && left((n) => n + 1)}
      disabled={off && !held}
      aria-disabled={held}
      aria-busy={busy}
      aria-label={label}
      aria-pressed={pressed}
      autofocus={autofocus}
      title={title ?? label}
    >
      {children}
    </button>
  )
}

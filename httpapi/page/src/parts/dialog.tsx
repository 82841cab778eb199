import type { ComponentChildren, JSX } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'

export interface DialogProps {
  title: string
  onClose: () => void
  children: ComponentChildren
  /** buttons, the one that does it last */
  actions?: ComponentChildren
  /** what Enter in a field does, if it is a form */
  onSubmit?: () => void
  wide?: boolean
}

/** A dialog above everything else, shown as long as it is rendered. Esc closes it, and the focus goes back to where it was. */
export function Dialog({ title, onClose, children, actions, onSubmit, wide }: DialogProps): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useLayoutEffect(() => {
    const d = ref.current!
    const before = document.activeElement
    if (!d.open) d.showModal()
    return () => {
      d.close()
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={ref}
      class={wide ? 'wide' : ''}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault()
        onClose()
      }}
      onClick={(e) => e.target === ref.current && onClose()}
    >
      <form
        class="inside"
        onSubmit={(e) => {
          e.preventDefault()
          onSubmit?.()
        }}
      >
        <header>
          <h2 id={id}>{title}</h2>
          <button type="button" class="button quiet" aria-label="Close" title="Close" onClick={onClose}>✕</button>
        </header>
        <div class="content">{children}</div>
        {actions && <footer>{actions}</footer>}
      </form>
    </dialog>
  )
}

import { createContext, type ComponentChildren, type JSX } from 'preact'
import { useContext, useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { useGuard } from '../router'
import { Button } from './button'
import { Fixed, Typed } from './typed'

export interface DialogProps {
  title: string
  /** it is to be closed, with whatever is in it */
  onClose: () => void
  children: ComponentChildren
  /** buttons, the one that does it last */
  actions?: ComponentChildren
  /** what Enter in a field does, if it is a form; nothing more is typed until what it has promised is done */
  onSubmit?: () => unknown
  wide?: boolean
  /** what is asked before something that was typed into it is lost; '' if nothing is worth it */
  unsaved?: string
  /** it holds from the beginning what is lost with it, though nobody has typed it */
  holds?: boolean
}

const Closing = createContext(() => {})

/** A dialog above everything else, shown as long as it is rendered. Esc closes it, and the focus goes back to where it was. */
export function Dialog({ title, onClose, children, actions, onSubmit, wide, unsaved = 'What you have typed here is not saved.', holds = false }: DialogProps): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  const beside = useRef(false) // whether the press that is a click now began and ended beside it, and not on a text in it
  const [typed, setTyped] = useState(holds)
  const [doing, count] = useState(0) // while it does something: what is typed then would be lost when it closes
  const guard = useGuard(typed && unsaved !== '', unsaved)
  const close = () => guard.mayLeave() && onClose()
  useLayoutEffect(() => {
    const d = ref.current!
    const before = document.activeElement
    if (!d.open) d.showModal()
    return () => {
      d.close()
      if (before instanceof HTMLElement && before.isConnected) before.focus()
      else document.querySelector<HTMLElement>('.screen')?.focus({ preventScroll: true })
    }
  }, [])
  return (
    <dialog
      ref={ref}
      class={wide ? 'wide' : ''}
      aria-labelledby={id}
      onKeyDown={(e) => {
        // Left to the browser, it would be close below the second time.
        if (e.key !== 'Escape' || e.defaultPrevented || e.isComposing) return
        e.preventDefault()
        close()
      }}
      onCancel={(e) => {
        e.preventDefault()
        close()
      }}
      onClose={(e) => {
        // Browsers let a page refuse once, and close it the next time.
        if (!e.currentTarget.isConnected) return
        if (guard.mayLeave()) onClose()
        else e.currentTarget.showModal()
      }}
      onPointerDown={(e) => (beside.current = e.target === ref.current)}
      onPointerUp={(e) => (beside.current &&= e.target === ref.current)}
      onClick={(e) => e.target === ref.current && beside.current && close()}
    >
      <Typed.Provider value={() => setTyped(true)}>
        <Fixed.Provider value={doing > 0}>
          <Closing.Provider value={close}>
            <form
              class="inside"
              onSubmit={(e) => {
                e.preventDefault()
                count((n) => n + 1)
                void Promise.resolve(onSubmit?.()).finally(() => count((n) => n - 1))
              }}
            >
              <header>
                <h2 id={id}>{title}</h2>
                <button type="button" class="button quiet" aria-label="Close" title="Close" onClick={close}>✕</button>
              </header>
              <div class="content">{children}</div>
              {actions && <footer>{actions}</footer>}
            </form>
          </Closing.Provider>
        </Fixed.Provider>
      </Typed.Provider>
    </dialog>
  )
}

/** A button among the actions of a dialog that closes it, as Esc does. */
export function Cancel({ children = 'Cancel' }: { children?: ComponentChildren }): JSX.Element {
  return <Button onClick={useContext(Closing)}>{children}</Button>
}

import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'

export interface MenuItem {
  text: string
  act: () => void
  danger?: boolean
  disabled?: boolean
}

/** A button that opens a menu. Arrow keys go through it, and Esc closes it. */
export function Menu({ label, children, items }: { label: string; children: ComponentChildren; items: readonly MenuItem[] }): JSX.Element {
  const [open, set] = useState(false)
  const id = useId()
  const box = useRef<HTMLSpanElement>(null)
  const buttons = () => [...box.current!.querySelectorAll<HTMLButtonElement>('[role=menuitem]:not(:disabled)')]
  useEffect(() => {
    if (!open) return
    buttons()[0]?.focus()
    const away = (e: Event) => !box.current?.contains(e.target as Node) && set(false)
    document.addEventListener('pointerdown', away)
    return () => document.removeEventListener('pointerdown', away)
  }, [open])
  const keys = (e: KeyboardEvent) => {
    if (!open) return
    const all = buttons()
    const at = all.indexOf(document.activeElement as HTMLButtonElement)
    if (e.key === 'Escape') {
      set(false)
      box.current!.querySelector('button')!.focus()
    } else if (e.key === 'ArrowDown') all[(at + 1) % all.length]?.focus()
    else if (e.key === 'ArrowUp') all[(at + all.length - 1) % all.length]?.focus()
    else if (e.key === 'Tab') return set(false)
    else return
    e.preventDefault()
    e.stopPropagation()
  }
  return (
    <span class="menu" ref={box} onKeyDown={keys}>
      <button type="button" class="button quiet" aria-haspopup="menu" aria-expanded={open} aria-controls={id} aria-label={label} title={label} onClick={() => set(!open)}>{children}</button>
      {open && (
        <div class="items" role="menu" id={id} aria-label={label}>
          {items.map((item) => (
            <button
              key={item.text}
              type="button"
              role="menuitem"
              class={item.danger ? 'danger' : ''}
              disabled={item.disabled}
              onClick={() => {
                set(false)
                box.current!.querySelector('button')!.focus()
                item.act()
              }}
            >
              {item.text}
            </button>
          ))}
        </div>
      )}
    </span>
  )
}

import type { ComponentChildren, JSX } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import { useFixed, useTyped } from './typed'

export interface FieldProps {
  label: string
  value: string
  onInput: (value: string) => void
  type?: 'text' | 'password' | 'search' | 'number' | 'url' | 'datetime-local'
  /** what it is for, below it */
  hint?: ComponentChildren
  /** what is wrong with it */
  error?: string | undefined
  placeholder?: string
  autocomplete?: string
  required?: boolean
  autofocus?: boolean
  disabled?: boolean
  readOnly?: boolean
  spellcheck?: boolean
  /** several lines */
  rows?: number
  /** the label is only for those who do not see the page */
  bare?: boolean
  onKeyDown?: (e: KeyboardEvent) => void
}

/** One thing to fill in, with its label. */
export function Field(p: FieldProps): JSX.Element {
  const id = useId()
  const typed = useTyped()
  const fixed = useFixed()
  const box = useRef<HTMLDivElement>(null)
  // A dialog has given the keyboard to what it began with, perhaps the button that closes it.
  useLayoutEffect(() => {
    const at = document.activeElement
    const dialog = box.current!.closest('dialog')
    if (p.autofocus && dialog?.open && at?.closest('dialog > form > header') && dialog.contains(at)) box.current!.querySelector<HTMLElement>('input, textarea')?.focus()
  }, [])
  const input = (e: { currentTarget: HTMLInputElement | HTMLTextAreaElement }) => {
    typed()
    p.onInput(e.currentTarget.value)
  }
  const shared = {
    id,
    value: p.value,
    placeholder: p.placeholder,
    required: p.required,
    autofocus: p.autofocus,
    disabled: p.disabled,
    readOnly: p.readOnly || fixed,
    spellcheck: p.spellcheck ?? false,
    'aria-invalid': p.error !== undefined && p.error !== '',
    'aria-describedby': p.hint || p.error ? id + '-more' : undefined,
    onKeyDown: p.onKeyDown,
  }
  return (
    <div class="field" ref={box}>
      <label for={id} class={p.bare ? 'unseen' : ''}>{p.label}</label>
      {p.rows ? (
        <textarea {...shared} rows={p.rows} onInput={input} />
      ) : (
        <input {...shared} type={(p.type ?? 'text') as 'text'} autocomplete={p.autocomplete ?? 'off'} autocapitalize="off" onInput={input} />
      )}
      <div id={id + '-more'} class="more">
        {p.error ? <span class="error" role="alert">{p.error}</span> : p.hint}
      </div>
    </div>
  )
}

/** A choice of one of several. */
export function Choice<T extends string>(p: { label: string; value: T; options: readonly (readonly [T, string])[]; onChange: (value: T) => void; hint?: ComponentChildren; bare?: boolean }): JSX.Element {
  const id = useId()
  const typed = useTyped()
  const fixed = useFixed()
  return (
    <div class="field">
      <label for={id} class={p.bare ? 'unseen' : ''}>{p.label}</label>
      <select id={id} value={p.value} aria-disabled={fixed} onChange={(e) => {
        if (fixed) return void (e.currentTarget.value = p.value)
        typed()
        p.onChange(e.currentTarget.value as T)
      }}>
        {p.options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
      {p.hint && <div class="more">{p.hint}</div>}
    </div>
  )
}

/** Something to tick. */
export function Tick(p: { label: ComponentChildren; value: boolean; onChange: (value: boolean) => void; hint?: ComponentChildren; disabled?: boolean }): JSX.Element {
  const id = useId()
  const typed = useTyped()
  const fixed = useFixed()
  return (
    <div class="field tick">
      <input id={id} type="checkbox" checked={p.value} disabled={p.disabled} aria-disabled={fixed} aria-describedby={p.hint ? id + '-more' : undefined} onChange={(e) => {
        if (fixed) return void (e.currentTarget.checked = p.value)
        typed()
        p.onChange(e.currentTarget.checked)
      }} />
      <label for={id}>{p.label}</label>
      {p.hint && <div id={id + '-more'} class="more">{p.hint}</div>}
    </div>
  )
}

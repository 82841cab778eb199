import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

/** A text with a button that copies it. */
export function CopyText({ text, label = 'Copy' }: { text: string; label?: string }): JSX.Element {
  const [copied, set] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    set(true)
    setTimeout(() => set(false), 2000)
  }
  return (
    <span class="copy">
      <code dir="auto">{text}</code>
      {navigator.clipboard && <button type="button" class="button quiet" aria-label={label} title={label} onClick={() => void copy()}>{copied ? '✓' : <Sheets />}</button>}
    </span>
  )
}

/** Two sheets of paper. Not every system has a letter for it. */
const Sheets = (): JSX.Element => (
  <svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round" aria-hidden="true">
    <path d="M5.5 5.5h8v8h-8zM3 10.5H2.5v-8h8V3" stroke-linecap="round" />
  </svg>
)

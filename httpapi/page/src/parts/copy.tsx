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
      {navigator.clipboard && <button type="button" class="button quiet" aria-label={label} title={label} onClick={() => void copy()}>{copied ? '✓' : '⧉'}</button>}
    </span>
  )
}

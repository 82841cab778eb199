import type { JSX } from 'preact'
import { Dialog } from '../../parts/dialog'

/** What each key does on the conflicts screen. docs/conflicts.md has the same list. */
export function Shortcuts({ versions, onClose }: { versions: string[]; onClose: () => void }): JSX.Element {
  const keys: [string, string][] = [
    ['j, k', 'the next difference or place in a text, the one before'],
    ['u', 'the next one that is to be decided'],
    ...versions.slice(0, 9).map((v, n): [string, string] => [String(n + 1), `take ${v}`]),
    ['0', 'take what was before'],
    ['b', 'take both: lists and texts together, lines or words merged, attachments under two names'],
    ['h', 'write it by hand; Esc goes back'],
    ['Ctrl+Enter', 'resolve, and go to the next document'],
    ['n, p', 'skip to the next document, the one before'],
    ['?', 'this list'],
  ]
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl class="cf-keys">
        {keys.map(([key, does]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div>)}
      </dl>
      <p class="faint">They work in the merge. Arrow keys choose within a difference, and Tab goes through everything.</p>
    </Dialog>
  )
}

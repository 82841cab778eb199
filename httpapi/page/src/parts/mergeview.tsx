import { json } from '@codemirror/lang-json'
import { syntaxHighlighting } from '@codemirror/language'
import { MergeView } from '@codemirror/merge'
import { EditorState } from '@codemirror/state'
import { EditorView, lineNumbers } from '@codemirror/view'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { colors, look, shadowOf } from './codelook'
import type { DifferProps } from './differ'

/** Shows a Differ. */
export default function Side({ left, right, leftLabel, rightLabel }: DifferProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const root = shadowOf(box.current!)
    const shared = [lineNumbers(), EditorState.readOnly.of(true), EditorView.editable.of(false), EditorView.lineWrapping, json(), syntaxHighlighting(colors), look]
    const label = (text: string) => EditorView.contentAttributes.of({ 'aria-label': text, tabindex: '0' })
    const m = new MergeView({
      a: { doc: left, extensions: [...shared, label(leftLabel)] },
      b: { doc: right, extensions: [...shared, label(rightLabel)] },
      parent: root,
      root,
      gutter: true,
      collapseUnchanged: { margin: 4, minSize: 8 },
      diffConfig: { scanLimit: 2000, timeout: 1000 },
    })
    return () => m.destroy()
  }, [left, right])
  return <div class="editor differ" ref={box} />
}

// How CodeMirror looks here, and where it lives.
import { HighlightStyle } from '@codemirror/language'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'

export const colors = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--code-name)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: [tags.bool, tags.null, tags.keyword], color: 'var(--code-word)' },
  { tag: tags.comment, color: 'var(--faint)' },
  { tag: tags.invalid, color: 'var(--danger)' },
])

export const look = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'var(--field)', fontSize: '13px', borderRadius: '8px', height: '100%' },
  '&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '-1px' },
  '.cm-content': { caretColor: 'var(--text)', fontFamily: 'var(--mono)', padding: '8px 0' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--faint)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--selection)' },
  '.cm-selectionMatch': { backgroundColor: 'var(--selection)' },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)' },
  '.cm-textfield, .cm-button': { backgroundImage: 'none', backgroundColor: 'var(--field)', color: 'var(--text)', borderColor: 'var(--line)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--text)', border: '1px solid var(--line)', borderRadius: '6px' },
  '.cm-collapsedLines:before, .cm-collapsedLines:after': { content: '"⋯"' }, // not every system has CodeMirror's own letter
  '.cm-foldPlaceholder, .cm-collapsedLines': { background: 'var(--hover)', border: 'none', color: 'var(--faint)' },
  '&.cm-merge-a .cm-changedLine, .cm-deletedChunk': { backgroundColor: 'var(--danger-soft)' },
  '&.cm-merge-b .cm-changedLine': { backgroundColor: 'var(--good-soft)' },
  '&.cm-merge-a .cm-changedText, .cm-deletedText': { background: 'color-mix(in srgb, var(--danger) 30%, transparent)' },
  '&.cm-merge-b .cm-changedText': { background: 'color-mix(in srgb, var(--good) 30%, transparent)' },
})

/**
 * The root that an editor lives in. In a document CodeMirror makes style elements, which the
 * Content-Security-Policy refuses; in a shadow root it adopts style sheets.
 */
export function shadowOf(box: HTMLElement): ShadowRoot {
  const root = box.shadowRoot ?? box.attachShadow({ mode: 'open' })
  root.replaceChildren()
  return root
}

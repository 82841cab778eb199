import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language'
import { forEachDiagnostic, lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, type Extension, Transaction } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from '@codemirror/view'
import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { check } from '../json'
import { colors, look, shadowOf } from './codelook'
import type { EditorProps, Mark } from './editor'
import { useFixed, useTyped } from './typed'

// Above this length (in characters) a text has no colours and its lines are not wrapped, so that it stays quick.
const long = 1_000_000

/** Shows an Editor. */
export default function Mirror(p: EditorProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const typed = useTyped()
  const readOnly = useFixed() || !!p.readOnly
  const has = useRef(p.value) // what stands there
  const changed = useRef((_: string) => {})
  changed.current = (text) => {
    has.current = text
    typed()
    p.onChange?.(text)
  }
  const latest = useRef(p)
  latest.current = p
  const changeable = useRef(new Compartment())

  const locked = (is: boolean): Extension => [EditorState.readOnly.of(is), EditorView.editable.of(!is)]

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const big = p.value.length > long
    const lint = (v: EditorView) => {
      clearTimeout(timer)
      timer = setTimeout(() => mark(v, latest.current), v.state.doc.length > long ? 1000 : 200)
    }
    const root = shadowOf(box.current!)
    const v = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        doc: p.value,
        extensions: [
          lineNumbers(),
          highlightActiveLineGutter(),
          highlightActiveLine(),
          history(),
          drawSelection(),
          indentUnit.of('  '),
          EditorState.lineSeparator.of('\n'), // a \r stays a character
          bracketMatching(),
          search({ top: true }),
          highlightSelectionMatches(),
          lintGutter(),
          keymap.of([
            { key: 'Mod-s', preventDefault: true, run: () => (latest.current.onSave?.(), true) },
            ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...lintKeymap,
          ]),
          // Tab is not taken: who goes by keyboard comes in and gets out by it. Ctrl+] indents.
          EditorView.contentAttributes.of({ 'aria-label': p.label, spellcheck: 'false' }),
          look,
          p.mode === 'json' && !big ? [json(), indentOnInput(), foldGutter(), syntaxHighlighting(colors)] : [],
          big ? [] : EditorView.lineWrapping,
          changeable.current.of(locked(readOnly)),
          EditorView.updateListener.of((u) => {
            if (!u.docChanged) return
            if (!u.transactions.some((t) => t.annotation(Transaction.remote))) changed.current(u.state.doc.toString())
            lint(u.view)
          }),
        ],
      }),
    })
    view.current = v
    has.current = p.value
    mark(v, p)
    if (p.autofocus) v.focus()
    return () => {
      clearTimeout(timer)
      v.destroy()
    }
  }, [p.mode])

  // At once: after the next paint the visitor may have written more than the screen had when it was rendered.
  useLayoutEffect(() => {
    const v = view.current
    if (!v) return // it begins with this text
    if (p.value === has.current) return
    has.current = p.value
    v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: p.value }, annotations: Transaction.remote.of(true) })
  }, [p.value])

  useEffect(() => view.current!.dispatch({ effects: changeable.current.reconfigure(locked(readOnly)) }), [readOnly])
  useEffect(() => mark(view.current!, p), [p.marks])

  return <div class="editor" ref={box} style={p.height ? { height: p.height } : {}} />
}

/** Marks what is wrong: what the mode finds, and what the screen says. */
function mark(v: EditorView, p: EditorProps): void {
  const text = v.state.doc.toString()
  const all: Mark[] = (p.marks ?? []).filter((m) => m.from <= text.length)
  if (p.mode === 'json' && text.trim() !== '') {
    const e = check(text)
    if (e) all.push({ from: Math.min(e.at, text.length), to: Math.min(e.at + 1, text.length), message: e.message })
  }
  const found: Diagnostic[] = all.map((m) => ({ from: m.from, to: Math.min(m.to, text.length), message: m.message, severity: m.severity ?? 'error' }))
  let had = 0
  forEachDiagnostic(v.state, () => had++)
  if (found.length || had) v.dispatch(setDiagnostics(v.state, found))
}

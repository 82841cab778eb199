import type { JSX } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { check, parse, same } from '../../json'
import { Button } from '../../parts/button'
import { Editor, editorSoon, type Mark } from '../../parts/editor'
import { Notice } from '../../parts/notice'
import { done } from '../../parts/toast'
import { useGuard } from '../../router'
import { blame } from './blame'
import { Collision } from './collision'
import { load, save, type Doc } from './model'

editorSoon()

/** The editor of a document's content. */
export function Body({ db, doc, readOnly, onSaved }: { db: string; doc: Doc; readOnly: boolean; onSaved: () => void }): JSX.Element {
  const [from, setFrom] = useState(doc) // what the text was made from
  const text = useRef(doc.text)
  const [shown, setShown] = useState(doc.text) // the same, for the editor
  const write = (t: string) => {
    text.current = t
    setShown(t)
  }
  const [changed, setChanged] = useState(false)
  const [error, setError] = useState<string>()
  const act = useAct((e) => setError(api.words(e)))
  const [marks, setMarks] = useState<Mark[]>([])
  const [theirs, setTheirs] = useState<Doc>()
  const unsure = useRef<string | undefined>(undefined) // was sent, and no answer has come

  // The same document, loaded again: the visitor's changes stay until they are undone. At once: after the next paint
  // there may be some of which this rendering knows nothing.
  const newer = useRef<Doc | undefined>(undefined) // was loaded, and is not shown
  useLayoutEffect(() => {
    if (doc !== from) newer.current = doc
  }, [doc])
  useLayoutEffect(() => {
    if (!newer.current || changed) return
    setFrom(newer.current)
    write(newer.current.text)
    newer.current = undefined
  }, [doc, changed])
  useGuard(changed && !readOnly, 'Your changes to this document are not saved.', ['rev'])

  const run = (over: Doc = from, body: string = text.current) => act.run(async (to) => {
    if (readOnly) return
    const wrong = check(body)
    if (wrong) {
      const { line, column } = wrong.place(body)
      return setError(`Line ${line}, column ${column}: ${wrong.message}.`)
    }
    if (!body.trimStart().startsWith('{')) return setError('A document is an object: it begins with { and ends with }.')
    setError(undefined)
    setMarks([])
    const before = text.current
    try {
      let base = over
      const rev = await save(to, db, over, body).catch(async (e: unknown) => {
        if (!(e instanceof api.Failure) || e.status !== 409) throw e
        // Perhaps it was not somebody else, but what the visitor sent before; or only attachments are others than they were.
        const now = await load(db, doc.id, undefined).catch(() => undefined)
        const is = (text: string | undefined) => now !== undefined && text !== undefined && same(parse(now.text), parse(text))
        if (!now || !is(unsure.current) && !is(over.rev && over.text)) throw e
        base = now
        return save(to, db, now, body)
      })
      unsure.current = undefined
      newer.current = undefined
      setTheirs(undefined)
      setFrom({ ...base, rev, text: body })
      if (text.current === before) write(body)
      setChanged(text.current !== body) // the visitor may have gone on writing
      done('Saved.')
      onSaved()
    } catch (e) {
      if (e instanceof api.Failure && e.status === 409) {
        // Who writes on is not interrupted, and has perhaps no whole document just now.
        if (text.current !== before) return setError('Somebody else has saved this document meanwhile. Save again, and you see both versions.')
        // What was made of two versions is the visitor's own now, if there is a third one.
        setFrom(over)
        write(body)
        setChanged(body !== over.text)
        await collide()
      } else {
        if (e instanceof api.Failure && e.status === 0) unsure.current = body
        setError(api.words(e))
        setMarks(blame(body, e))
      }
    }
  })

  // Somebody else saved it meanwhile.
  const collide = async () => {
    try {
      setTheirs(await load(db, doc.id, undefined))
    } catch (e) {
      if (e instanceof api.Failure && e.status === 404) setTheirs({ ...from, rev: undefined, text: '{}', attachments: undefined, deleted: true })
      else setError(api.words(e))
    }
  }
  const base = from.rev === undefined ? undefined : from.text

  return (
    <div class="doc-body">
      {!readOnly && (
        <div class="row">
          <Button kind="primary" busy={act.busy} disabled={!changed && from.rev !== undefined} onClick={() => void run()} title="Save (Ctrl+S)">Save</Button>
          {changed && from.rev !== undefined && (
            <Button kind="quiet" onClick={() => {
              write(from.text)
              setChanged(false)
              setError(undefined)
              setMarks([])
            }}>Undo all changes</Button>
          )}
          <span class="faint" aria-live="polite">{changed || from.rev === undefined && !readOnly ? 'Not saved' : ''}</span>
        </div>
      )}
      {error !== undefined && !theirs && <Notice kind="error">{error}</Notice>}
      <Editor label="Content of the document" mode="json" value={shown} readOnly={readOnly} marks={marks} height="100%" onSave={() => void run()} onChange={(t) => {
        write(t)
        setChanged(t !== from.text)
        if (marks.length) setMarks([])
      }} />
      {theirs && <Collision key={theirs.rev} base={base} mine={text.current} theirs={theirs} error={error} busy={act.busy} onClose={() => setTheirs(undefined)} onSave={(t) => void run({ ...theirs, id: doc.id }, t)} onTheirs={() => {
        newer.current = undefined
        setFrom(theirs)
        write(theirs.text)
        setError(undefined)
        setChanged(false)
        setTheirs(undefined)
        onSaved()
      }} />}
    </div>
  )
}

import type { JSX } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { size } from '../../format'
import { useAbort } from '../../load'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Empty } from '../../parts/notice'
import { Preview } from '../../parts/preview'
import { Progress } from '../../parts/progress'
import { done, failed } from '../../parts/toast'
import { useGuard } from '../../router'
import type { Doc, Stub } from './model'

interface Sending {
  name: string
  part: number
}

/** The attachments of a document: seen, added by dropping files, removed. */
export function Attachments({ db, doc, readOnly, onChanged }: { db: string; doc: Doc; readOnly: boolean; onChanged: () => void }): JSX.Element {
  const [shown, show] = useState<string>()
  const [over, setOver] = useState(false)
  const [sending, setSending] = useState<Sending[]>([])
  const [removing, remove] = useState<Stub>()
  const picker = useRef<HTMLInputElement>(null)
  const signal = useAbort()
  const act = useAct(failed)
  useGuard(sending.length > 0, 'Files are still being sent.', ['tab', 'rev'])
  // What the next change is based on; the document is loaded again only after each.
  const rev = useRef(doc.rev)
  useLayoutEffect(() => {
    rev.current = doc.rev
  }, [doc])
  // A file whose sending nobody has answered, and what it was based on: trying again is the same request.
  const unsure = useRef<{ file: string; rev: string | undefined } | undefined>(undefined)
  // A name is one segment with all its slashes, or ../../other would be the address of something else.
  const path = (name: string) => [db, doc.id, name]

  // One after the other: each makes a revision, and the next one is based on it.
  const add = (files: readonly File[]) => act.run(async (to) => {
    setSending(files.map((f) => ({ name: f.name, part: 0 })))
    let sent = 0
    try {
      for (const [i, file] of files.entries()) {
        const one = [file.name, file.size, file.lastModified].join('/')
        const base = unsure.current?.file === one ? unsure.current.rev : rev.current
        unsure.current = { file: one, rev: base }
        const res = await to.upload<{ rev: string }>('PUT', path(file.name), {
          query: { rev: base }, file, type: file.type, signal,
          progress: (part) => setSending((all) => all.map((s, j) => (j === i ? { ...s, part } : s))),
        })
        unsure.current = undefined
        rev.current = res.rev
        sent++
      }
      done(sent === 1 ? `Added ${files[0]!.name}.` : `Added ${sent} files.`)
    } catch (e) {
      if (!(e instanceof api.Failure) || e.status !== 0) unsure.current = undefined
      if (!api.left(e)) failed(e instanceof api.Failure && e.status === 409 ? 'Somebody else has changed the document meanwhile. It was loaded again: add the file once more.' : e)
    }
    setSending([])
    onChanged()
  })
  const gone = (s: Stub) => act.run(async (to) => {
    try {
      const res = await to.send<{ rev: string }>('DELETE', path(s.name), undefined, { query: { rev: rev.current } })
      rev.current = res.rev
      done(`Removed ${s.name}.`)
    } finally {
      remove(undefined)
      onChanged()
    }
  })
  return (
    <div
      class={`attachments ${over ? 'over-it' : ''}`}
      onDragOver={(e) => {
        if (readOnly) return
        e.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(e) => {
        e.preventDefault()
        setOver(false)
        const files = [...(e.dataTransfer?.files ?? [])]
        if (files.length && !readOnly) void add(files)
      }}
    >
      {sending.map((s) => <Progress key={s.name} label={s.name} part={s.part} />)}
      {doc.stubs.length === 0 && sending.length === 0 && <Empty title="No attachments" />}
      <ul>
        {doc.stubs.map((s) => (
          <li key={s.name} class="card">
            <div class="row">
              <button type="button" class="name" aria-expanded={shown === s.name} onClick={() => show(shown === s.name ? undefined : s.name)}>
                <span class="badge" aria-hidden="true">{sign(s.type)}</span>
                <bdi class="cut">{s.name}</bdi>
              </button>
              <span class="faint wide-only">{s.type}</span>
              <span class="faint number">{size(s.length)}</span>
              <a class="button quiet" href={api.url(path(s.name), { rev: doc.rev })} download={s.name.split('/').at(-1)} aria-label={`Download ${s.name}`} title="Download">↓</a>
              {!readOnly && <Button kind="quiet" label={`Remove ${s.name}`} onClick={() => remove(s)}>✕</Button>}
            </div>
            {shown === s.name && <Preview {...s} path={path(s.name)} rev={doc.rev} />}
          </li>
        ))}
      </ul>
      {!readOnly && (
        <div class="drop">
          <p>Drop files here, or</p>
          <Button onClick={() => picker.current!.click()} busy={act.busy}>Choose files</Button>
          <input ref={picker} type="file" multiple hidden aria-label="Files to attach" onChange={(e) => {
            const files = [...(e.currentTarget.files ?? [])]
            e.currentTarget.value = ''
            if (files.length) void add(files)
          }} />
        </div>
      )}
      {removing && (
        <Dialog title="Remove this attachment?" onClose={() => remove(undefined)} onSubmit={() => gone(removing)} actions={<><Cancel /><Button kind="danger" type="submit" busy={act.busy}>Remove</Button></>}>
          <p><bdi>{removing.name}</bdi> will not be in the next revision.</p>
        </Dialog>
      )}
    </div>
  )
}

const sign = (type: string): string => /^(image|audio|video|text)\//.exec(type)?.[1] ?? (/pdf/.test(type) ? 'PDF' : 'file')

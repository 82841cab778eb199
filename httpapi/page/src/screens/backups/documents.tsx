import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { plural } from '../../format'
import { pretty } from '../../json'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Differ } from '../../parts/differ'
import { Choice, Field, Tick } from '../../parts/field'
import { Empty, Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { link } from '../../router'
import { restore, type KeptDocument } from './backup'
import { useMore } from './more'

/** The documents of a database in a backup. */
export function Documents({ id, db, onRestore, children }: { id: string; db: string; onRestore: () => void; children: ComponentChildren }): JSX.Element {
  const [typed, setTyped] = useState('')
  const [prefix, setPrefix] = useState('')
  const [looking, look] = useState<KeptDocument>()
  const list = useMore<KeptDocument>(
    (startkey, signal) => api.get(['_backups', id, db], { startkey: JSON.stringify(startkey ?? prefix), endkey: prefix ? JSON.stringify(prefix + '\u{10FFFF}') : undefined, limit: 100 }, signal),
    [id, db, prefix],
  )
  const conflicts = (d: KeptDocument) => d.leaves.filter((l) => !l.deleted).length - 1
  return (
    <>
      <header>
        <h1><bdi>{db}</bdi> in a backup</h1>
        <a class="button" href={link(['backups'], { id })}>All databases of it</a>
      </header>
      <form class="bar" onSubmit={(e) => {
        e.preventDefault()
        setPrefix(typed)
      }}>
        <Field label="Ids that begin with" bare type="search" placeholder="Ids that begin with" value={typed} onInput={setTyped} />
        <Button type="submit">Find</Button>
      </form>
      <Trouble error={list.error} retry={list.reload} />
      {!list.rows && !list.error && <Waiting label="Reading the backup" />}
      {children}
      {list.rows?.length === 0 && <Empty title={prefix ? 'No id begins so' : 'The database had no documents'} />}
      <ul class="backups-list backups-documents" aria-label="Documents in the backup">
        {list.rows?.map((d) => (
          <li key={d.id} class="row">
            <button type="button" class="button quiet cut" dir="auto" onClick={() => look(d)}>{d.id}</button>
            <code class="faint">{d.rev.slice(0, 12)}…</code>
            {d.deleted && <span class="badge">deleted</span>}
            {conflicts(d) > 0 && <span class="badge warning">{plural(conflicts(d), 'conflict')}</span>}
          </li>
        ))}
      </ul>
      {list.button}
      {looking && <Look id={id} db={db} doc={looking} onClose={() => look(undefined)} onDone={() => {
        look(undefined)
        onRestore()
      }} />}
    </>
  )
}

/** How the document is now: its text, or why there is none. */
type Now = { text: string; rev: string } | 'deleted' | 'missing' | 'no database'

/** A document as it was, beside the present one. */
function Look({ id, db, doc, onClose, onDone }: { id: string; db: string; doc: KeptDocument; onClose: () => void; onDone: () => void }): JSX.Element {
  const [rev, setRev] = useState(doc.rev)
  const [replace, setReplace] = useState(false)
  const act = useAct()
  const was = useLoad((signal) => api.getText(['_backups', id, db, doc.id], { rev }, signal), [id, db, doc.id, rev])
  const now = useLoad<Now>(async (signal) => {
    try {
      const text = await api.getText([db, doc.id], {}, signal)
      return { text, rev: /"_rev":"([^"]*)"/.exec(text)?.[1] ?? '' }
    } catch (e) {
      if (!(e instanceof api.Failure) || e.status !== 404) throw e
      return e.reason === 'deleted' ? 'deleted' : e.reason === 'missing' ? 'missing' : 'no database'
    }
  }, [db, doc.id])
  const n = now.value
  const there = typeof n === 'object'
  const same = there && n.rev === doc.rev
  const start = () => act.run(async (to) => {
    await restore(to, id, { db, doc_ids: [doc.id], replace })
    onDone()
  })
  return (
    <Dialog wide title={doc.id} unsaved="" onClose={onClose} actions={
      <Button kind="primary" onClick={() => void start()} busy={act.busy} disabled={n === undefined || n === 'no database' || same || (there && !replace)}>Restore the document</Button>
    }>
      <Trouble error={act.error ?? was.error ?? now.error} />
      {doc.leaves.length > 1 && <Choice label="Revision" value={rev} onChange={setRev} options={doc.leaves.map((l) => [l.rev, l.rev + (l.rev === doc.rev ? ', the winner' : l.deleted ? ', deleted' : ', in conflict')] as const)} hint="If the database has this document’s history, the winner is what comes back." />}
      {n === 'missing' && <Notice>The database does not know this document. It comes back with its history.</Notice>}
      {n === 'deleted' && <Notice>The document is deleted. What it was becomes a new revision.</Notice>}
      {n === 'no database' && <Notice>The server has no database {db} any more: restore that.</Notice>}
      {same && <Notice kind="good">The document is at this revision now: there is nothing to restore.</Notice>}
      {there && !same && <Tick label="Replace the present content" value={replace} onChange={setReplace} hint="What the backup has becomes a new revision on top of the present one." />}
      {was.value === undefined && !was.error && <Waiting label="Reading the backup" />}
      {was.value !== undefined && n !== undefined && (
        <>
          <div class="backups-sides faint"><span>In the backup</span><span>{there ? 'Now' : ''}</span></div>
          {there
            ? <Differ left={pretty(was.value)} right={pretty(n.text)} leftLabel="The document in the backup" rightLabel="The document now" />
            : <pre class="backups-text" tabIndex={0} aria-label="The document in the backup" dir="auto">{pretty(was.value)}</pre>}
        </>
      )}
    </Dialog>
  )
}

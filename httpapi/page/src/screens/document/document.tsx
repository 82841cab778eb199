import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Field } from '../../parts/field'
import { Menu } from '../../parts/menu'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { done, failed } from '../../parts/toast'
import { useAdminOf } from '../../rights'
import { abandon, go, link } from '../../router'
import type { ScreenProps } from '../../screens'
import { Attachments } from './attachments'
import { Body } from './body'
import { load, shortRev, type Doc } from './model'
import { Revisions } from './revisions'

/** One document: what is in it, its attachments, its revisions. */
export default function Document({ params, query }: ScreenProps): JSX.Element {
  const db = params.db!
  const id = params.id!
  const rev = query.get('rev') ?? undefined
  const tab = query.get('tab') ?? 'content'
  const doc = useLoad((signal) => load(db, id, rev, signal), [db, id, rev])
  const [asking, ask] = useState(false)
  const [renaming, rename] = useState(false)
  const d = doc.value
  const kept = useAdminOf(id.startsWith('_design/') ? db : undefined) === false // from this visitor
  const missing = useMemo(() => fresh(id), [id])
  const gone = doc.error instanceof api.Failure && doc.error.status === 404 ? doc.error.reason : undefined
  const tabs: [string, string][] = [['content', 'Content'], ['attachments', d && d.stubs.length > 0 ? `Attachments (${d.stubs.length})` : 'Attachments'], ['revisions', 'Revisions']]
  return (
    <>
      <header class="doc-head">
        <h1 dir="auto">{id}</h1>
        {d?.rev && <span class="badge mono" title={d.rev}>{shortRev(d.rev)}</span>}
        {d && d.conflicts.length > 0 && <a class="badge warning" href={link(['db', db, 'conflicts'], { id })}>{d.conflicts.length === 1 ? '1 conflict' : `${d.conflicts.length} conflicts`}</a>}
        {d && !rev && (
          <Menu label="More for this document" items={[
            { text: 'Copy to another id', act: () => rename(true) },
            { text: 'Open as JSON', act: () => void window.open(api.url([db, id]), '_blank', 'noopener') },
            { text: 'Load again', act: doc.reload },
            ...(kept ? [] : [{ text: 'Delete', danger: true, act: () => ask(true) }]),
          ]}>⋯</Menu>
        )}
      </header>
      {rev && (
        <Notice actions={<a class="button" href={link(['db', db, 'doc', id])}>The current revision</a>}>
          This is revision <code>{shortRev(rev)}</code> as it was saved. It cannot be changed here.
        </Notice>
      )}
      {kept && <Notice>Only administrators of the database change its design documents.</Notice>}
      <nav class="tabs" aria-label="Document">
        {tabs.map(([key, title]) => (
          <a key={key} href={link(['db', db, 'doc', id], { tab: key === 'content' ? undefined : key, rev })} aria-current={tab === key ? 'page' : undefined}>{title}</a>
        ))}
      </nav>
      {gone === undefined && <Trouble error={doc.error} retry={doc.reload} />}
      {gone !== undefined && tab !== 'revisions' && (
        <Notice kind="warning" actions={gone === 'deleted' && <a class="button" href={link(['db', db, 'doc', id], { tab: 'revisions' })}>Its revisions</a>}>
          {gone === 'deleted' ? (kept ? 'This document is deleted.' : 'This document is deleted. Saving makes it live again.') : rev ? 'The body of this revision is not there any more: a compaction has removed it.' : kept ? 'There is no such document.' : 'There is no such document yet. Saving makes it.'}
        </Notice>
      )}
      {!d && !doc.error && <Waiting />}
      {(d ?? (gone !== undefined && !rev)) && (
        // It stays while another tab is shown, with what was written.
        <div class="doc-content" hidden={tab !== 'content'}><Body key={rev ?? ''} db={db} doc={d ?? missing} readOnly={rev !== undefined || kept} onSaved={doc.reload} /></div>
      )}
      {tab === 'attachments' && d && <Attachments db={db} doc={d} readOnly={rev !== undefined || kept} onChanged={doc.reload} />}
      {tab === 'revisions' && (d ?? gone !== undefined) && <Revisions db={db} id={id} />}
      {asking && d && <Delete db={db} doc={d} onClose={() => ask(false)} />}
      {renaming && d && <CopyTo db={db} doc={d} onClose={() => rename(false)} />}
    </>
  )
}

const fresh = (id: string): Doc => ({ id, rev: undefined, text: '{\n  \n}', attachments: undefined, stubs: [], conflicts: [], deleted: false })

function Delete({ db, doc, onClose }: { db: string; doc: Doc; onClose: () => void }): JSX.Element {
  const act = useAct((e) => {
    failed(e)
    onClose()
  })
  const run = () => act.run(async (to) => {
    await to.send('DELETE', [db, doc.id], undefined, { query: { rev: doc.rev } })
    done(`Deleted ${doc.id}.`)
    abandon(['db', db, 'docs'])
  })
  return (
    <Dialog title="Delete this document?" onClose={onClose} onSubmit={run} actions={<><Cancel /><Button kind="danger" type="submit" busy={act.busy}>Delete</Button></>}>
      <p><bdi>{doc.id}</bdi> gets a revision that says it is deleted, and other copies of the database delete it too.</p>
      {doc.conflicts.length > 0 && <Notice kind="warning">It has conflicts: one of the other revisions will win then, and the document stays.</Notice>}
    </Dialog>
  )
}

function CopyTo({ db, doc, onClose }: { db: string; doc: Doc; onClose: () => void }): JSX.Element {
  const [id, set] = useState('')
  const act = useAct()
  const error = act.error instanceof api.Failure && act.error.status === 409 ? 'There is a document with this id already.' : act.error === undefined ? undefined : api.words(act.error)
  const run = () => act.run(async (to) => {
    await to.send('COPY', [db, doc.id], undefined, { headers: { Destination: encodeURIComponent(id) } })
    onClose()
    go(['db', db, 'doc', id])
  })
  return (
    <Dialog title="Copy to another id" onClose={onClose} onSubmit={run} actions={<><Cancel /><Button kind="primary" type="submit" busy={act.busy} disabled={!id}>Copy</Button></>}>
      <Field label="New id" value={id} onInput={set} error={error} autofocus />
    </Dialog>
  )
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { plural, size } from '../../format'
import { Obj, parse } from '../../json'
import { useEvery, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Field } from '../../parts/field'
import { Empty, Notice, Trouble } from '../../parts/notice'
import { Progress, Waiting } from '../../parts/progress'
import { done } from '../../parts/toast'
import { isPartitioned } from '../../partition'
import { useAdminOf } from '../../rights'
import { link, setQuery } from '../../router'
import type { ScreenProps } from '../../screens'
import { Edit } from './edit'
import { Query } from './query'
import { designsOf, most, type Design, type View } from './views'

/** The design documents of a database: their views, what these cost, and what they answer. */
export default function Designs({ params, query }: ScreenProps): JSX.Element {
  const db = params.db!
  const may = useAdminOf(db)
  const list = useLoad((signal) => designsOf(db, signal), [db])
  const partitioned = useLoad((signal) => isPartitioned(db, signal), [db])
  const [editing, edit] = useState<{ design: string; view?: View | undefined }>()
  const open = query.get('view')
  const designs = list.value?.designs ?? []
  const chosen = designs.flatMap((d) => d.views.map((v) => [d, v] as const)).find(([d, v]) => `${d.name}/${v.name}` === open)
  const saved = () => {
    edit(undefined)
    list.reload()
  }
  return (
    <>
      <header class="bar">
        <h1 class="unseen">Views</h1>
        <span class="push" />
        {may === false && <span class="faint">Administrators of the database change its views.</span>}
        {may && <Button kind="primary" onClick={() => edit({ design: '' })}>New view</Button>}
      </header>
      <Trouble error={list.error ?? partitioned.error} retry={() => (list.reload(), partitioned.reload())} />
      {!list.value && !list.error && <Waiting />}
      {list.value && designs.length === 0 && <Empty title="There are no views yet"><p>A view is a function that picks a key from each document. Its rows are kept in the order of the keys.</p></Empty>}
      {list.value?.more && <Notice>These are the first {most} design documents. The <a href={link(['db', db, 'docs'], { prefix: '_design/' })}>list of documents</a> has all.</Notice>}
      <ul class="design-list">
        {designs.map((d) => (
          <li key={d.name} class="card">
            <Head db={db} design={d} may={may ?? false} onNew={() => edit({ design: d.name })} onGone={list.reload} />
            {d.views.length === 0 && <p class="faint">It has no views.</p>}
            <ul>
              {d.views.map((v) => (
                <li key={v.name}>
                  <a href={link(['db', db, 'design'], { view: `${d.name}/${v.name}` })} dir="auto" aria-current={open === `${d.name}/${v.name}` ? 'true' : undefined}>{v.name}</a>
                  {v.reduce && <span class="badge">{v.reduce.startsWith('_') ? v.reduce : 'reduce'}</span>}
                  {may && <Button kind="quiet" label={`Edit the view ${v.name} of ${d.name}`} onClick={() => edit({ design: d.name, view: v })}>Edit</Button>}
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
      {chosen && partitioned.value !== undefined && <Query key={open} partitioned={partitioned.value && chosen[0].partitioned} db={db} design={chosen[0].name} view={chosen[1]} onClose={() => setQuery({ view: undefined })} />}
      {editing && <Edit db={db} design={editing.design} view={editing.view} onClose={() => edit(undefined)} onDone={saved} />}
    </>
  )
}

interface Info {
  view_index: { sizes: { file: number; active: number }; updater_running: boolean; updates_pending?: { total: number }; compact_running: boolean }
}

interface Task {
  type: string
  database?: string
  design_document?: string
  progress?: number
}

function Head({ db, design, may, onNew, onGone }: { db: string; design: Design; may: boolean; onNew: () => void; onGone: () => void }): JSX.Element {
  const info = useLoad(async (signal) => (design.views.length ? api.get<Info>([db, '_design/' + design.name, '_info'], {}, signal) : undefined), [db, design.name, design.rev])
  const index = info.value?.view_index
  const building = !!index && (index.updater_running || index.compact_running)
  // Only while something is going on does anybody look again and again.
  const task = useLoad(async (signal) => (building ? (await api.get<Task[]>(['_active_tasks'], {}, signal).catch(() => [])).find((t) => t.design_document === '_design/' + design.name && (t.database ?? '').includes(db)) : undefined), [building, index])
  useEvery(2000, () => building && info.refresh())
  const [removing, remove] = useState(false)
  return (
    <>
      <div class="design-head">
        <h2><a href={link(['db', db, 'doc', '_design/' + design.name])} dir="auto">{design.name}</a></h2>
        <span class="faint">
          {[
            index && `index ${size(index.sizes.file)}`,
            index && !building && index.updates_pending && index.updates_pending.total > 0 && `${plural(index.updates_pending.total, 'change')} behind`,
            ...Object.entries(design.others).map(([what, n]) => plural(n, what)),
          ].filter(Boolean).join(', ')}
        </span>
        <span class="push" />
        {may && <Button kind="quiet" label={`New view in ${design.name}`} onClick={onNew}>New view</Button>}
        {may && <Button kind="quiet" label={`Delete ${design.name}`} onClick={() => remove(true)}>Delete</Button>}
      </div>
      {building && <Progress label={index?.compact_running ? 'The index is being compacted' : 'The index is being brought up to date'} part={task.value?.progress === undefined ? undefined : task.value.progress / 100} />}
      {removing && <Remove db={db} design={design} onClose={() => remove(false)} onDone={() => {
        remove(false)
        onGone()
      }} />}
    </>
  )
}

function Remove({ db, design, onClose, onDone }: { db: string; design: Design; onClose: () => void; onDone: () => void }): JSX.Element {
  const [typed, type] = useState('')
  const act = useAct()
  const remove = () => act.run(async (to) => {
    if (typed !== design.name) return
    const path = [db, '_design/' + design.name]
    const rev = (parse(await api.getText(path)) as Obj).get('_rev') as string
    await to.send('DELETE', path, undefined, { query: { rev } })
    done(`${design.name} is deleted`)
    onDone()
  })
  return (
    <Dialog title={`Delete ${design.name}?`} unsaved="" onClose={onClose} onSubmit={remove} actions={<Button kind="danger" type="submit" busy={act.busy} disabled={typed !== design.name}>Delete</Button>}>
      <Trouble error={act.error} />
      <p>{plural(design.views.length, 'view')} of <bdi>{design.name}</bdi> can no longer be asked. No document is lost but this one.</p>
      <Field label="Type the name" value={typed} onInput={type} autofocus />
    </Dialog>
  )
}

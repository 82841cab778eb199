import type { JSX } from 'preact'
import { useLayoutEffect, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { count, size } from '../../format'
import { useAbort, useEvery, useLoad, type Loaded } from '../../load'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Field } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { Progress, Waiting } from '../../parts/progress'
import { done, failed } from '../../parts/toast'
import { useAdminOf } from '../../rights'
import { abandon, useGuard } from '../../router'
import { isAdmin } from '../../session'
import type { ScreenProps } from '../../screens'
import { Security } from './security'

interface Info {
  doc_count: number
  doc_del_count: number
  sizes: { file: number; active: number; external: number }
  props: { partitioned?: boolean }
  compact_running: boolean
}

/** A database as a whole: figures, compaction, who may use it, its limits, its end. */
export default function Database({ params }: ScreenProps): JSX.Element {
  const db = params.db!
  const info = useLoad((signal) => api.get<Info>([db], {}, signal), [db])
  const may = useAdminOf(db)
  return (
    <>
      <h1 class="unseen">Settings of {db}</h1>
      <Trouble error={info.error} retry={info.reload} />
      {!info.value ? info.loading && <Waiting /> : (
        <div class="settings">
          <Figures info={info.value} />
          {may === false && <Notice>Administrators of the database change what stands here.</Notice>}
          {may && <Compaction db={db} info={info} />}
          <Security db={db} may={may ?? false} />
          <RevsLimit db={db} may={may ?? false} />
          {isAdmin.value && <End db={db} />}
        </div>
      )}
    </>
  )
}

function Figures({ info }: { info: Info }): JSX.Element {
  const items: [string, string][] = [
    ['Documents', count(info.doc_count)],
    ['Deleted', count(info.doc_del_count)],
    ['File', size(info.sizes.file)],
    ['In use', size(info.sizes.active)],
    ['Uncompressed', size(info.sizes.external)],
  ]
  return (
    <dl class="figures">
      {items.map(([name, value]) => <div key={name} class="card"><dt>{name}</dt><dd>{value}</dd></div>)}
      {info.props.partitioned && <div class="card"><dt>Kind</dt><dd>partitioned</dd></div>}
    </dl>
  )
}

interface Task {
  type: string
  database?: string
  progress?: number // in hundredths
}

function Compaction({ db, info }: { db: string; info: Loaded<Info> }): JSX.Element {
  const [before, setBefore] = useState<number>() // bytes of the file, while this page waits for the end
  const [part, setPart] = useState<number>()
  const signal = useAbort()
  const running = info.value!.compact_running || before !== undefined
  const look = async () => {
    try {
      let mine: Task | undefined // known to administrators of the server
      if (isAdmin.value) {
        const tasks = await api.get<Task[]>(['_active_tasks'], {}, signal)
        mine = tasks.find((t) => t.type === 'database_compaction' && t.database === db)
        setPart(mine?.progress === undefined ? undefined : mine.progress / 100)
      }
      const now = await api.get<Info>([db], {}, signal)
      if (!now.compact_running && !mine) {
        if (before !== undefined) done(now.sizes.file < before ? `Compacted: ${size(before - now.sizes.file)} were given back.` : 'Compacted. There was nothing to give back.')
        setBefore(undefined)
        setPart(undefined)
        info.reload()
      }
    } catch (e) {
      if (!api.left(e)) failed(e)
    }
  }
  useEvery(700, () => running && look())
  const act = useAct((e) => {
    setBefore(undefined)
    failed(e)
  })
  const start = () => act.run(async (to) => {
    setBefore(info.value!.sizes.file)
    await to.send('POST', [db, '_compact'], undefined, { signal })
  })
  return (
    <section class="card stack">
      <h2>Compaction</h2>
      <p class="faint">It removes the bodies of old revisions and gives the room back to the disk. The server does it by itself when it pays; you need not wait for that.</p>
      {running ? <Progress label={`Compacting ${db}`} part={part} /> : <div><Button onClick={() => void start()}>Compact now</Button></div>}
    </section>
  )
}

function RevsLimit({ db, may }: { db: string; may: boolean }): JSX.Element {
  const limit = useLoad((signal) => api.get<number>([db, '_revs_limit'], {}, signal), [db])
  const [typed, type] = useState('')
  const [saved, setSaved] = useState('')
  const act = useAct()
  useLayoutEffect(() => {
    if (limit.value === undefined) return
    const now = String(limit.value)
    type((t) => (t === saved ? now : t)) // what is typed already stays
    setSaved(now)
  }, [limit.value])
  useGuard(typed !== saved, 'The limit is not saved.')
  const save = () => act.run(async (to) => {
    if (!/^[1-9]\d*$/.test(typed)) throw new Error('A number of 1 or more.')
    await to.send('PUT', [db, '_revs_limit'], Number(typed))
    setSaved(typed)
    done(`The limit is ${typed} now.`)
  })
  const error = act.error ?? limit.error
  return (
    <section class="card stack">
      <h2>Length of histories</h2>
      <form class="row" onSubmit={(e) => (e.preventDefault(), may && void save())}>
        <div class="grow"><Field label="Revisions that a document remembers" type="number" value={typed} onInput={type} readOnly={!may} error={error ? api.words(error) : undefined} hint="Fewer take less room. Too few make false conflicts with copies that have been away for long." /></div>
        {may && <Button type="submit" busy={act.busy} disabled={typed === saved}>Save</Button>}
      </form>
    </section>
  )
}

function End({ db }: { db: string }): JSX.Element {
  const [asking, ask] = useState(false)
  const [typed, type] = useState('')
  const act = useAct()
  const run = () => act.run(async (to) => {
    if (typed !== db) return
    await to.send('DELETE', [db])
    done(`Deleted the database ${db}.`)
    abandon([])
  })
  return (
    <section class="card stack">
      <h2>Delete the database</h2>
      <p class="faint">All its documents go, at once and for good. Other copies of it stay.</p>
      <div><Button kind="danger" onClick={() => ask(true)}>Delete this database</Button></div>
      {asking && (
        <Dialog title={`Delete ${db}?`} unsaved="" onClose={() => (ask(false), act.setError(undefined))} onSubmit={run} actions={<><Cancel /><Button kind="danger" type="submit" busy={act.busy} disabled={typed !== db}>Delete for good</Button></>}>
          <Trouble error={act.error} />
          <Notice kind="warning">There is no way back, unless you have a backup or another copy.</Notice>
          <Field label="To be sure, type its name" placeholder={db} value={typed} onInput={type} autofocus />
        </Dialog>
      )}
    </section>
  )
}

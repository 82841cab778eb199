import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { plural, size } from '../../format'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Choice, Field } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { Time } from '../../parts/time'
import { link } from '../../router'
import { restore, type Backup, type Kept } from './backup'
import { RestoreAll } from './all'
import { useMore } from './more'

interface Answer extends Backup {
  rows: Kept[]
  next: string | null
}

/** What is in a backup. */
export function Databases({ id, onRestore, children }: { id: string; onRestore: () => void; children: ComponentChildren }): JSX.Element {
  const [backup, setBackup] = useState<Backup>()
  const list = useMore<Kept>(async (startkey, signal) => {
    const a = await api.get<Answer>(['_backups', id], { startkey: startkey === undefined ? undefined : JSON.stringify(startkey), limit: 100 }, signal)
    setBackup(a)
    return a
  }, [id])
  const [all, setAll] = useState(false)
  const [restoring, setRestoring] = useState<Kept>()
  return (
    <>
      <header>
        <h1>Backup{backup && <> of {new Date(backup.time).toLocaleString('en')}</>}</h1>
        <a class="button" href={link(['backups'])}>All backups</a>
        {backup && <Button onClick={() => setAll(true)}>Restore all…</Button>}
      </header>
      <Trouble error={list.error} retry={list.reload} />
      {!list.rows && !list.error && <Waiting />}
      {children}
      <ul class="backups-list" aria-label="Databases in the backup">
        {list.rows?.map((d) => (
          <li key={d.name} class="card row">
            <span class="grow">
              <a href={link(['backups'], { id, db: d.name })}><bdi>{d.name}</bdi></a>
              <span class="faint"> {plural(d.documents, 'document')}, {size(d.size_bytes)}, as of <Time at={d.time} /></span>
              {d.failed && <span class="error"> It could not be read then: {d.failed}</span>}
            </span>
            <Button onClick={() => setRestoring(d)} label={`Restore ${d.name}`}>Restore…</Button>
          </li>
        ))}
      </ul>
      {list.button}
      {all && backup && <RestoreAll backup={backup} onClose={() => setAll(false)} onDone={() => {
        setAll(false)
        onRestore()
      }} />}
      {restoring && <Restore id={id} db={restoring} onClose={() => setRestoring(undefined)} onDone={() => {
        setRestoring(undefined)
        onRestore()
      }} />}
    </>
  )
}

/** Says what a restore will do, and begins it. */
function Restore({ id, db, onClose, onDone }: { id: string; db: Kept; onClose: () => void; onDone: () => void }): JSX.Element {
  const [where, setWhere] = useState<'beside' | 'itself'>('beside')
  const [as, setAs] = useState(`${db.name.replace(/^_/, '')}-${db.time.slice(0, 10)}`)
  const [typed, setTyped] = useState('')
  const act = useAct()
  const there = useLoad(async (signal) => {
    if (db.name === '_synchronizations') return undefined
    try {
      return (await api.get<{ doc_count: number }>([db.name], {}, signal)).doc_count
    } catch (e) {
      if (e instanceof api.Failure && e.status === 404) return null
      throw e
    }
  }, [db.name])
  const gone = there.value === null
  const replace = where === 'itself' && !gone
  const start = (dry: boolean) => act.run(async (to) => {
    await restore(to, id, { db: db.name, ...(where === 'beside' ? { as } : {}), replace, dry_run: dry })
    onDone()
  })
  const may = !there.loading && (where === 'beside' ? as !== '' : !replace || typed === db.name)
  return (
    <Dialog title={`Restore ${db.name}`} unsaved="" onClose={onClose} onSubmit={() => may && start(false)} actions={
      <>
        <Button onClick={() => void start(true)} busy={act.busy} disabled={there.loading} title="Does everything, and changes nothing in the end">Try it out</Button>
        <Button kind={replace ? 'danger' : 'primary'} type="submit" busy={act.busy} disabled={!may}>{replace ? 'Replace' : 'Restore'}</Button>
      </>
    }>
      <Trouble error={act.error ?? there.error} />
      <Choice label="Where to" value={where} onChange={setWhere} options={[['beside', 'Beside, under another name'], ['itself', gone ? 'Under its name' : 'In place of the present one']]} />
      {where === 'beside' && <Field label="Name" value={as} onInput={setAs} hint="The database appears under this name when all of it is there and right. Nothing else changes." />}
      {where === 'itself' && gone && <Notice>The server has no database of this name. It comes back with {plural(db.documents, 'document')}.</Notice>}
      {replace && (
        <>
          <Notice kind="warning">
            {there.value === undefined ? 'What it has now' : `What it has now, ${plural(there.value ?? 0, 'document')},`} is gone then, and what it had <Time at={db.time} />, {plural(db.documents, 'document')}, is in its place. Devices that sync with it bring again what they still hold.
          </Notice>
          <Field label="Type the name" value={typed} onInput={setTyped} />
        </>
      )}
    </Dialog>
  )
}

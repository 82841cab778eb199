import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { count, plural, size } from '../../format'
import { useEvery, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Empty, Notice, Trouble } from '../../parts/notice'
import { usePages } from '../../parts/pages'
import { Progress, Waiting } from '../../parts/progress'
import { Table } from '../../parts/table'
import { Time } from '../../parts/time'
import { failed } from '../../parts/toast'
import { go } from '../../router'
import type { ScreenProps } from '../../screens'
import type { Backup, Backups as List, Run, State } from './backup'
import { Databases } from './databases'
import { Documents } from './documents'
import { Restores } from './restores'
import { Schedule } from './schedule'

/** The backups that the server makes of itself, and the way back from them. */
export default function Backups({ query }: ScreenProps): JSX.Element {
  const id = query.get('id')
  const db = query.get('db')
  const [turn, setTurn] = useState(0)
  const restored = () => setTurn((n) => n + 1)
  const below = <Restores turn={turn} most={id ? 1 : 5} />
  if (id && db) return <Documents key={`${id}/${db}`} id={id} db={db} onRestore={restored}>{below}</Documents>
  if (id) return <Databases key={id} id={id} onRestore={restored}>{below}</Databases>
  return <Overview>{below}</Overview>
}

function Overview({ children }: { children: JSX.Element }): JSX.Element {
  const state = useLoad((signal) => api.get<State>(['_backups'], {}, signal), [])
  const [setting, set] = useState(false)
  const s = state.value
  useEvery(s?.running ? 1000 : 5000, state.refresh)
  // A backup that was asked for begins a moment later.
  const act = useAct(failed)
  const now = () => act.run(async (to) => {
    await to.send('POST', ['_backups'])
    setTimeout(state.reload, 300)
  })
  return (
    <>
      <header>
        <h1>Backups</h1>
        {s?.target && <Button onClick={() => set(true)}>Schedule…</Button>}
        {s?.target && <Button kind="primary" onClick={() => void now()} busy={!!s.running || act.busy} disabled={!!s.error}>Back up now</Button>}
      </header>
      <Trouble error={state.error} retry={state.reload} />
      {!s && !state.error && <Waiting />}
      {s && <How state={s} onSet={() => set(true)} />}
      {s?.running && (
        <div class="card">
          <Progress label={s.running.database ? `Backing up ${s.running.database}` : 'Backing up'} part={s.running.databases ? s.running.databases_done / s.running.databases : undefined} note={`${count(s.running.databases_done)} of ${plural(s.running.databases, 'database')}, ${plural(s.running.documents, 'document')}`} />
        </div>
      )}
      {s && s.last.length > 0 && <Runs runs={s.last.slice(0, 5)} />}
      {children}
      {s?.target && !s.error && <Kept key={s.target} turn={s.last[0]?.ended ?? ''} />}
      {setting && <Schedule onClose={() => set(false)} onDone={() => {
        set(false)
        setTimeout(state.reload, 300)
      }} />}
    </>
  )
}

const units: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week' }

/** A length of time as the settings have it, in words: 1d is a day, 12h are 12 hours. */
function length(text: string): string {
  const m = /^(\d+)([smhdw])$/.exec(text)
  return m ? (m[1] === '1' ? units[m[2]!]! : plural(Number(m[1]), units[m[2]!]!)) : text
}

/** How backups are, in a sentence. */
function How({ state: s, onSet }: { state: State; onSet: () => void }): JSX.Element {
  if (!s.target) {
    return (
      <Notice kind="warning" actions={<Button kind="primary" onClick={onSet}>Switch on…</Button>}>
        This server makes no backups of itself. Say where they are to go, and it makes one each day. <code>tododb backup</code> makes them from outside.
      </Notice>
    )
  }
  if (s.error) return <Notice kind="error" actions={<Button onClick={onSet}>Change…</Button>}>No backups are made, because the settings cannot be used: {s.error}</Notice>
  const when = s.schedule === 'continuous' ? 'as soon as something changes' : s.schedule === 'manual' ? 'only when somebody asks for one' : /:/.test(s.schedule) ? `at ${s.schedule}` : `every ${length(s.schedule)}`
  return <p>Backups go to <bdi><code>{s.target}</code></bdi>, {when}.{s.next && !s.running && <> The next one is due <Time at={s.next} />.</>}</p>
}

function Runs({ runs }: { runs: Run[] }): JSX.Element {
  return (
    <section class="stack" aria-labelledby="backups-runs">
      <h2 id="backups-runs">Last runs</h2>
      <ul class="backups-list">
        {runs.map((r) => (
          <li key={r.began + r.ended} class="row">
            <span class={`badge ${r.error ? 'danger' : 'good'}`}>{r.error ? (r.id ? 'not all' : 'failed') : 'made'}</span>
            <span class="grow">
              <Time at={r.ended} />
              {r.id && `: ${plural(r.databases, 'database')}, ${plural(r.documents, 'document')}, ${size(r.stored_bytes)} new`}
              {r.forgotten > 0 && `, ${plural(r.forgotten, 'older one')} forgotten`}
              {r.error && <span class="error"> {r.error}</span>}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** The backups in the target. */
function Kept({ turn }: { turn: string }): JSX.Element {
  const list = useLoad((signal) => api.get<List>(['_backups', '_all'], { limit: 1 }, signal), [turn])
  const pages = usePages<Backup>(async (skip, limit, signal) => (await api.get<List>(['_backups', '_all'], { skip, limit }, signal)).backups, [turn])
  const all = list.value
  return (
    <>
      <h2>What is in the target</h2>
      <Trouble error={list.error ?? pages.error} retry={() => {
        list.reload()
        pages.reload()
      }} />
      {!all && !list.error && <Waiting />}
      {all?.damaged && <Notice kind="error">A backup is damaged: {all.damaged}. <code>tododb backup verify</code> says more.</Notice>}
      {all && !all.readable && <Notice>The backups are encrypted, and this server has no identity that reads them. What is in them can be seen and restored with <code>tododb backup show</code> and <code>tododb restore</code>, with <code>--identity</code>.</Notice>}
      {all?.total === 0 && <Empty title="There are no backups yet" />}
      {!!all?.total && (
        <Table<Backup> label="Backups" count={all.total} row={pages.row} onVisible={pages.onVisible} rowKey={(b) => b.id} {...(all.readable ? { onOpen: (b: Backup) => go(['backups'], { id: b.id }) } : {})} columns={[
          { title: 'Made', cell: (b) => <><Time at={b.time} /> {!b.own && <span class="badge">another server</span>}{b.partial && <span class="badge">not all databases</span>}{b.failed > 0 && <span class="badge warning">{plural(b.failed, 'database')} older</span>}</> },
          { title: 'Databases', cell: (b) => count(b.databases), align: 'end', width: '7rem', wideOnly: true },
          { title: 'Documents', cell: (b) => count(b.documents), align: 'end', width: '7rem' },
          { title: 'Size', cell: (b) => size(b.total_bytes), align: 'end', width: '6.5rem' },
          { title: 'New', cell: (b) => size(b.stored_bytes), align: 'end', width: '6.5rem', wideOnly: true },
          { title: 'Id', cell: (b) => <code>{b.id}</code>, width: '12rem', wideOnly: true },
        ]} />
      )}
    </>
  )
}

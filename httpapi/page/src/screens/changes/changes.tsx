import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { count, plural, rate, seqNumber } from '../../format'
import { useAbort, useEvery } from '../../load'
import { Button } from '../../parts/button'
import { Field } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { type Column, Table } from '../../parts/table'
import { Time } from '../../parts/time'
import { go, link } from '../../router'
import type { ScreenProps } from '../../screens'
import { type Change, Feed, type Filter, first, most, type Seen } from './feed'
import { Filters } from './filters'

const states = { starting: 'Connecting', live: 'Live', paused: 'Paused', lost: 'Not connected' }

/** What changes in a database, as it happens. */
export default function Changes({ params, query }: ScreenProps): JSX.Element {
  const db = params.db!
  const [filter, setFilter] = useState<Filter>({ query: {} })
  const [seen, set] = useState<Seen>()
  const [text, setText] = useState(query.get('id') ?? '')
  const feed = useRef<Feed>(undefined)
  useEffect(() => {
    set(undefined)
    const f = (feed.current = new Feed(db, filter, set))
    f.start()
    return () => f.stop()
  }, [db, filter])
  useEvery(1000, () => seen?.state === 'live' && feed.current?.tell())

  const all = seen?.rows ?? []
  const rows = useMemo(() => (text === '' ? all : all.filter((c) => c.id.includes(text))), [all, text])
  const conflicts = useConflicts(db, rows)
  const columns = useMemo<Column<Change>[]>(() => [
    { title: 'Change', width: '6.5rem', wideOnly: true, align: 'end', cell: (c) => <span class="faint" title={c.seq}>{count(seqNumber(c.seq))}</span> },
    { title: 'Id', cell: (c) => <a href={link(['db', db, 'doc', c.id])} tabIndex={-1} dir="auto" class={c.deleted ? 'changes-gone' : ''}>{c.id}</a> },
    {
      title: 'What', width: '6.5rem', cell: (c) => (
        <>
          {c.deleted && <span class="badge danger">deleted</span>}
          {conflicts.has(c) && <a class="badge warning" href={link(['db', db, 'doc', c.id], { tab: 'revisions' })}>conflict</a>}
          {!c.deleted && !conflicts.has(c) && (c.id.startsWith('_design/') ? <span class="badge accent">design</span> : c.changes[0]?.rev.startsWith('1-') ? <span class="badge good">new</span> : <span class="badge">edited</span>)}
        </>
      ),
    },
    { title: 'Revision', width: '8.5rem', wideOnly: true, cell: (c) => <span class="mono faint" title={c.changes.map((r) => r.rev).join('\n')}>{c.changes[0]?.rev.replace(/^(\d+-.{8}).*/s, '$1')}</span> },
    { title: 'When', width: '10.5rem', wideOnly: true, cell: (c) => (c.updated ? <span class="faint"><Time at={c.updated} /></span> : null) },
  ], [db, conflicts])

  const paused = seen?.state === 'paused'
  return (
    <>
      <h1 class="unseen">Changes of {db}</h1>
      <div class="bar">
        <Field label="Show ids that contain" bare type="search" placeholder="Ids that contain …" value={text} onInput={setText} />
        <Filters db={db} onChange={setFilter} />
        <Button kind={paused ? 'primary' : 'plain'} pressed={paused} onClick={() => (paused ? feed.current?.start() : feed.current?.pause())}>{paused ? 'Go on' : 'Pause'}</Button>
      </div>
      {seen && (
        <div class="row changes-state">
          <span class={`dot ${seen.state}`} aria-hidden="true" />
          <span role="status">{states[seen.state]}</span>
          {seen.state === 'live' && <span class="faint number">{rate(Math.round(seen.rate * 10) / 10)}</span>}
          <span class="faint number">{text === '' ? plural(all.length, 'change') : `${count(rows.length)} of ${plural(all.length, 'change')}`}{all.length === most && ', no more are kept'}</span>
        </div>
      )}
      {seen?.state === 'lost' && <Trouble error={seen.error} retry={() => feed.current?.start()} />}
      {!seen || (seen.state === 'starting' && all.length === 0) ? <Waiting /> : rows.length > 0 ? (
        <Table<Change> key={text /* another list, from its beginning */} label="Changes" columns={columns} count={rows.length} row={(i) => rows[i]} rowKey={(c) => c.seq} onVisible={conflicts.look} onOpen={(c) => go(['db', db, 'doc', c.id])} />
      ) : seen.state !== 'lost' && (
        <Empty title={all.length ? 'None of these ids contains that' : 'Nothing has changed yet'}>
          <p>{all.length ? `Looked at: the last ${first} changes, and those that came since.` : 'What is written from now on appears here by itself.'}</p>
        </Empty>
      )}
    </>
  )
}

// So many conflicts are read for the rows that are seen. Without a filter there are no more than rows; behind them,
// with a filter, the server is asked about each row.
const looked = 200

/**
 * Which of the rows that are seen belong to documents in conflict. A row tells how many leaves its
 * document has, and some of them may be deleted: the server is asked for all of these at once.
 */
function useConflicts(db: string, rows: readonly Change[]): { has: (c: Change) => boolean; look: (from: number, to: number) => void } {
  const [known, set] = useState<ReadonlyMap<string, boolean>>(new Map())
  const signal = useAbort()
  const view = useRef<[number, number]>([0, 0])
  const asked = useRef(new Set<string>())
  const latest = useRef(rows)
  latest.current = rows
  useEvery(500, () => {
    const [from, to] = view.current
    const wanted = latest.current.slice(from, to).filter((c) => c.changes.length > 1 && !c.deleted && !asked.current.has(c.seq))
    if (wanted.length === 0) return
    for (const c of wanted) asked.current.add(c.seq)
    // Both lists are in the order of the feed. Here the newest comes first.
    const older = latest.current[latest.current.indexOf(wanted.at(-1)!) + 1]
    const look = async () => {
      const { results } = await api.get<{ results: { id: string; seq: string }[] }>([db, '_conflicts'], older ? { since: older.seq, limit: looked } : { descending: true, limit: looked }, signal)
      const ids = new Set(results.map((r) => r.id))
      const last = results.length < looked ? undefined : seqNumber(results.at(-1)!.seq)
      const isBehind = (c: Change) => last !== undefined && (older ? seqNumber(c.seq) > last : seqNumber(c.seq) < last)
      const answers = await Promise.all(wanted.map(async (c): Promise<[string, boolean]> => [c.seq, isBehind(c) ? await inConflict(db, c.id, signal) : ids.has(c.id)]))
      set((old) => new Map([...[...old].slice(-most), ...answers]))
    }
    look().catch(() => {}) // nobody can say, or has left
  })
  return useMemo(() => ({
    has: (c: Change) => known.get(c.seq) === true,
    look: (from: number, to: number) => void (view.current = [from, to]),
  }), [known])
}

async function inConflict(db: string, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await api.get<{ changes: unknown[] }>([db, '_conflicts', id], {}, signal)).changes.length > 1
  } catch (e) {
    if (e instanceof api.Failure && e.status === 404) return false
    throw e
  }
}

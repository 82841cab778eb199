import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { count, plural } from '../../format'
import { useAbort, useEvery, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Field, Tick } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { usePages } from '../../parts/pages'
import { Waiting } from '../../parts/progress'
import { Table } from '../../parts/table'
import { failed } from '../../parts/toast'
import { go, link, setQuery } from '../../router'
import { Contents } from './contents'

interface Row {
  id: string
  value: { rev: string; deleted?: boolean }
}

interface Answer {
  total_rows: number
  offset: number
  rows: Row[]
}

/** Behind every id that begins so. */
const after = (prefix: string): string => prefix + '\u{10ffff}'

/** How many documents stand before a key. The server counts without reading them. */
async function rank(db: string, key: string, signal?: AbortSignal): Promise<number> {
  return (await api.get<Answer>([db, '_all_docs'], { startkey: JSON.stringify(key), limit: 0 }, signal)).offset
}

/** All documents in the order of their ids, or those whose ids begin with a text. */
export function ById({ db, query }: { db: string; query: URLSearchParams }): JSX.Element {
  const prefix = query.get('prefix') ?? ''
  const contents = query.get('contents') === 'yes'
  const [typed, type] = useState(prefix)
  const [target, aim] = useState('')
  const [jump, setJump] = useState<{ index: number }>()
  const signal = useAbort()
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  const range = useLoad(async (s) => {
    if (!prefix) {
      const a = await api.get<Answer>([db, '_all_docs'], { limit: 0 }, s)
      return { prefix, start: 0, count: a.total_rows, of: a.total_rows }
    }
    const [start, end, all] = await Promise.all([rank(db, prefix, s), rank(db, after(prefix), s), api.get<Answer>([db, '_all_docs'], { limit: 0 }, s)])
    return { prefix, start, count: end - start, of: all.total_rows }
  }, [db, prefix])
  // All that is shown is of one list: the one whose rows were counted last.
  const shown = range.value?.prefix ?? ''
  const pages = usePages<Row>(async (skip, limit, s) => {
    const [first, last] = shown ? [JSON.stringify(shown), JSON.stringify(after(shown))] : []
    const all = range.value?.count ?? 0
    // Skipping costs the server what it skips, so the second half is read from the end.
    if (skip <= all / 2) return (await api.get<Answer>([db, '_all_docs'], { startkey: first, endkey: last, skip, limit }, s)).rows
    const size = Math.min(limit, all - skip)
    const back = await api.get<Answer>([db, '_all_docs'], { startkey: last, endkey: first, descending: true, skip: all - skip - size, limit: size }, s)
    return back.rows.reverse()
  }, [db, shown])
  // The same list, counted again: its rows are read by that count.
  const counted = useRef<string>(undefined)
  useEffect(() => {
    if (!range.value) return
    if (counted.current === shown) pages.refresh()
    counted.current = shown
  }, [range.value])

  // What others write appears by itself.
  const seen = useRef<string>(undefined)
  useEvery(4000, async () => {
    const info = await api.get<{ update_seq: string }>([db], {}, signal)
    if (seen.current !== undefined && seen.current !== info.update_seq) range.refresh()
    seen.current = info.update_seq
  })

  useEffect(() => () => clearTimeout(timer.current), []) // or it would change the query of another place
  const search = (text: string) => {
    type(text)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      setJump(undefined)
      setQuery({ prefix: text })
    }, 250)
  }
  const leap = async () => {
    try {
      setJump({ index: (await rank(db, target, signal)) - (range.value?.start ?? 0) })
    } catch (e) {
      if (!api.left(e)) failed(e)
    }
  }
  const columns = useMemo(() => [
    { title: 'Id', cell: (r: Row) => <a href={link(['db', db, 'doc', r.id])} tabIndex={-1} dir="auto">{r.id}</a> },
    ...(contents ? [{ title: 'Content', cell: (r: Row) => <Contents db={db} id={r.id} rev={r.value.rev} /> }] : []),
    { title: 'Revision', width: '9rem', wideOnly: true, cell: (r: Row) => <span class="mono faint" title={r.value.rev}>{r.value.rev.slice(0, r.value.rev.indexOf('-') + 9)}</span> },
  ], [db, contents])
  const n = range.value?.count ?? 0
  return (
    <>
      <div class="bar">
        <Field label="Filter: ids that begin with" bare type="search" placeholder="Ids that begin with …" value={typed} onInput={search} />
        <form class="jump" onSubmit={(e) => (e.preventDefault(), void leap())}>
          <Field label="Jump to id" bare placeholder="Jump to id …" value={target} onInput={aim} />
          <Button type="submit" disabled={!target}>Jump</Button>
        </form>
        <Tick label="Contents" value={contents} onChange={(v) => setQuery({ contents: v ? 'yes' : undefined })} />
        <span class="faint number" aria-live="polite">{range.value && (shown ? `${count(n)} of ${count(range.value.of)}` : plural(n, 'document'))}</span>
      </div>
      <Trouble error={range.error ?? pages.error} retry={range.reload} />
      {!range.value ? range.loading && <Waiting /> : n === 0 ? (
        <Empty title={shown ? 'No id begins so' : 'There are no documents yet'}>{!shown && <p>Make the first one with “New document”, or replicate another database to this one.</p>}</Empty>
      ) : (
        <Table<Row> key={shown /* another list, from its beginning */} label="Documents" columns={columns} count={n} row={pages.row} rowKey={(r) => r.id} onVisible={pages.onVisible} jump={jump} onOpen={(r) => go(['db', db, 'doc', r.id])} />
      )}
    </>
  )
}

import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import * as api from '../../api'
import { plural } from '../../format'
import { useAbort, useLoad } from '../../load'
import { check } from '../../json'
import { Button } from '../../parts/button'
import { Choice, Field } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { usePages } from '../../parts/pages'
import { Waiting } from '../../parts/progress'
import { Table } from '../../parts/table'
import { failed } from '../../parts/toast'
import { isPartitioned, viewPath } from '../../partition'
import { go, link, setQuery } from '../../router'

interface Row {
  id: string
  key: unknown
  value: unknown
}

interface Answer {
  total_rows: number
  offset: number
  rows: Row[]
}

interface DesignRow {
  id: string
  doc: { views?: Record<string, unknown>; language?: string; options?: { partitioned?: boolean } } | null
}

/** The names of all views: [design document, view, whether it is asked within one partition]. */
async function viewsOf(db: string, signal: AbortSignal): Promise<[string, string, boolean][]> {
  const [a, partitioned] = await Promise.all([api.get<{ rows: DesignRow[] }>([db, '_design_docs'], { include_docs: true, limit: 500 }, signal), isPartitioned(db, signal)])
  return a.rows.flatMap((r) => (r.doc?.language === 'query' ? [] : Object.keys(r.doc?.views ?? {}).map((v): [string, string, boolean] => [r.id.slice('_design/'.length), v, partitioned && r.doc?.options?.partitioned !== false])))
}

/** The rows of a view, each leading to its document. */
export function ByView({ db, query }: { db: string; query: URLSearchParams }): JSX.Element {
  const views = useLoad((s) => viewsOf(db, s), [db])
  const wanted = query.get('view')
  const list = views.value ?? []
  const chosen = list.find(([d, v]) => `${d}/${v}` === wanted) ?? list[0]
  if (!views.value) return views.error ? <Trouble error={views.error} retry={views.reload} /> : <Waiting />
  if (!chosen) return <Empty title="There are no views yet"><p>A view is a function in a design document that sorts documents by a key.</p></Empty>
  return (
    <>
      <div class="bar">
        <Choice label="View" value={`${chosen[0]}/${chosen[1]}`} options={list.map(([d, v]) => [`${d}/${v}`, `${d} / ${v}`] as const)} onChange={(view) => setQuery({ view })} />
      </div>
      {chosen[2] ? (
        <Empty title="This view is asked within one partition">
          <p>The database is partitioned, so there is no list of all rows. <a href={link(['db', db, 'design'], { view: `${chosen[0]}/${chosen[1]}` })}>Ask the view</a></p>
        </Empty>
      ) : <Rows key={chosen.join('/')} db={db} design={chosen[0]} view={chosen[1]} />}
    </>
  )
}

function Rows({ db, design, view }: { db: string; design: string; view: string }): JSX.Element {
  const path = viewPath(db, design, view)
  const [from, setFrom] = useState('')
  const [jump, setJump] = useState<{ index: number }>()
  const signal = useAbort()
  const total = useLoad(async (s) => (await api.get<Answer>(path, { reduce: false, limit: 0 }, s)).total_rows, [db, design, view])
  const pages = usePages<Row>(async (skip, limit, s) => (await api.get<Answer>(path, { reduce: false, skip, limit }, s)).rows, [db, design, view])
  const wrong = from !== '' && check(from) ? 'A key is written as JSON: "text", 12, ["a", 1]' : undefined
  const leap = async () => {
    try {
      setJump({ index: (await api.get<Answer>(path, { reduce: false, startkey: from, limit: 0 }, signal)).offset })
    } catch (e) {
      if (!api.left(e)) failed(e)
    }
  }
  const columns = useMemo(() => [
    { title: 'Key', cell: (r: Row) => <code dir="auto">{JSON.stringify(r.key)}</code> },
    { title: 'Value', wideOnly: true, cell: (r: Row) => <code class="faint" dir="auto">{JSON.stringify(r.value).slice(0, 300)}</code> },
    { title: 'Document', cell: (r: Row) => <a href={link(['db', db, 'doc', r.id])} tabIndex={-1} dir="auto">{r.id}</a> },
  ], [db])
  return (
    <>
      <form class="bar jump" onSubmit={(e) => (e.preventDefault(), !wrong && void leap())}>
        <Field label="Jump to key" bare placeholder={'Jump to key, such as ["recipe"]'} value={from} onInput={setFrom} error={wrong} />
        <Button type="submit" disabled={!from || !!wrong}>Jump</Button>
        <span class="faint number">{total.value !== undefined && plural(total.value, 'row')}</span>
      </form>
      <Trouble error={total.error ?? pages.error} retry={() => (total.reload(), pages.reload())} />
      {total.value === undefined ? total.loading && <Waiting label="The index is being brought up to date" /> : total.value === 0 ? <Empty title="This view has no rows" /> : (
        <Table<Row> key={`${design}/${view}`} label={`Rows of ${design}/${view}`} columns={columns} count={total.value} row={pages.row} rowKey={(_r, i) => String(i)} onVisible={pages.onVisible} jump={jump} onOpen={(r) => go(['db', db, 'doc', r.id])} />
      )}
    </>
  )
}

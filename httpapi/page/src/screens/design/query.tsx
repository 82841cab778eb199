import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { plural } from '../../format'
import { check } from '../../json'
import { useAbort } from '../../load'
import { Button } from '../../parts/button'
import { Choice, Field, Tick } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { Table } from '../../parts/table'
import { viewPath } from '../../partition'
import { go, link } from '../../router'
import type { View } from './views'

interface Row {
  id?: string
  key: unknown
  value: unknown
}

interface Answer {
  total_rows?: number
  rows: Row[]
}

const page = 100

/** Asks a view: a range of keys, grouped or row by row. More rows are read as they are looked at. */
export function Query({ db, design, view, partitioned, onClose }: { db: string; design: string; view: View; partitioned: boolean; onClose: () => void }): JSX.Element {
  const [partition, setPartition] = useState('')
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const [descending, setDescending] = useState(false)
  const [group, setGroup] = useState(view.reduce ? 'all' : 'rows') // rows, all, exact, or a level
  const [rows, setRows] = useState<Row[]>()
  const [more, setMore] = useState(false)
  const [total, setTotal] = useState<number>()
  const [error, setError] = useState<unknown>(undefined)
  const turn = useRef(0)
  const reading = useRef(false)
  const leaving = useAbort()
  const wrong = (text: string) => (text.trim() !== '' && check(text) ? 'A key is JSON: "text", 12, ["a", 1]' : undefined)

  const asked = useRef({ partition, from, to, group, descending }) // which rows are shown, whatever is typed since
  const read = (skip: number) => {
    const { partition, from, to, group, descending } = asked.current
    const mine = skip === 0 ? ++turn.current : turn.current
    if (reading.current && skip > 0) return
    reading.current = true
    setError(undefined)
    const grouped: api.Query = group === 'rows' ? { reduce: false } : group === 'all' ? {} : group === 'exact' ? { group: true } : { group_level: Number(group) }
    const key = (text: string) => (text.trim() === '' ? undefined : text.trim())
    api
      .get<Answer>(viewPath(db, design, view.name, partitioned ? partition : undefined), { ...grouped, startkey: key(from), endkey: key(to), descending: descending || undefined, skip, limit: page }, leaving)
      .then((a) => {
        if (mine !== turn.current) return
        setTotal(a.total_rows)
        setMore(a.rows.length === page && group !== 'all')
        setRows((old) => (skip === 0 ? a.rows : [...(old ?? []), ...a.rows]))
      })
      .catch((e: unknown) => !api.left(e) && mine === turn.current && setError(e))
      .finally(() => mine === turn.current && (reading.current = false))
  }
  const none = partitioned && partition === ''
  const [begun, begin] = useState(false)
  const ask = () => {
    if (wrong(from) || wrong(to) || none) return
    asked.current = { partition, from, to, group, descending }
    begin(true)
    setRows(undefined)
    read(0)
  }
  useEffect(ask, [group, descending])
  const box = useRef<HTMLElement>(null)
  useEffect(() => box.current!.scrollIntoView({ block: 'nearest' }), []) // it stands below all views

  return (
    <section ref={box} class="stack design-query" aria-labelledby="design-query">
      <div class="row">
        <h2 id="design-query" class="grow"><bdi>{design}</bdi> / <bdi>{view.name}</bdi></h2>
        <Button kind="quiet" label="Close the view" onClick={onClose}>✕</Button>
      </div>
      <form class="bar" onSubmit={(e) => {
        e.preventDefault()
        ask()
      }}>
        {partitioned && <Field label="Partition" value={partition} onInput={setPartition} required />}
        <Field label="From key" value={from} onInput={setFrom} error={wrong(from)} placeholder={'["recipe"]'} />
        <Field label="To key" value={to} onInput={setTo} error={wrong(to)} placeholder={'["recipe", {}]'} />
        {view.reduce && (
          <Choice label="Show" value={group} onChange={setGroup} options={[
            ['all', 'one value'], ['exact', 'a value for each key'],
            ...[1, 2, 3, 4].map((n) => [String(n), `group level ${n}`] as const), ['rows', 'all rows'],
          ]} />
        )}
        <Tick label="Descending" value={descending} onChange={setDescending} />
        <Button type="submit" disabled={!!wrong(from) || !!wrong(to) || none}>Ask</Button>
      </form>
      <Trouble error={error} retry={ask} />
      {partitioned && !begun && <Empty title="Which partition?"><p>This database is partitioned. The view is asked within one partition.</p></Empty>}
      {!rows && !error && begun && <Waiting label="The index is being brought up to date" />}
      {rows && rows.length === 0 && <Empty title="No rows in this range" />}
      {rows && rows.length > 0 && (
        <>
          <p class="faint number" role="status">{more ? `The first ${rows.length}; more come as you scroll` : plural(rows.length, 'row')}{total !== undefined ? ` of ${plural(total, 'row')} in the view` : ''}</p>
          <Table<Row> label={`Rows of ${design}/${view.name}`} count={rows.length} row={(i) => rows[i]} rowKey={(_r, i) => String(i)} onVisible={(_f, end) => more && error === undefined && end > rows.length - 10 && read(rows.length)} onOpen={(r) => r.id !== undefined && go(['db', db, 'doc', r.id])} columns={[
            { title: 'Key', cell: (r) => <code dir="auto">{JSON.stringify(r.key)}</code> },
            { title: 'Value', cell: (r) => <code dir="auto">{JSON.stringify(r.value).slice(0, 300)}</code> },
            ...(group === 'rows' ? [{ title: 'Document', cell: (r: Row) => (r.id === undefined ? '' : <a href={link(['db', db, 'doc', r.id])} tabIndex={-1} dir="auto">{r.id}</a>) }] : []),
          ]} />
        </>
      )}
    </section>
  )
}

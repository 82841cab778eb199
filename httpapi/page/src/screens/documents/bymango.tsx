import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { check, Obj, parse, print, type Json } from '../../json'
import { Button } from '../../parts/button'
import { Editor } from '../../parts/editor'
import { Empty, Notice, Trouble } from '../../parts/notice'
import { Table } from '../../parts/table'
import { go, link, setQuery, useGuard } from '../../router'

const page = 100
const start = '{\n  "selector": {\n    "_id": {"$gt": null}\n  }\n}'

/** The documents that a Mango query finds, more of them as they are looked at. */
export function ByMango({ db, query }: { db: string; query: URLSearchParams }): JSX.Element {
  const text = useRef(query.get('find') ?? start)
  const [rows, setRows] = useState<Obj[]>()
  const [error, setError] = useState<unknown>()
  const [warning, setWarning] = useState<string>()
  const [busy, setBusy] = useState(false)
  const more = useRef<{ bookmark: string; query: string } | undefined>(undefined) // undefined: that is all
  // What is waited for belongs to the query that was asked last.
  const asked = useRef(new AbortController())
  useEffect(() => () => asked.current.abort(), [])
  const [written, write] = useState(false) // since it was asked the last time
  useGuard(written, 'This query was not asked yet.', ['by'])

  const read = async (ask: string, bookmark: string | undefined, before: Obj[]) => {
    asked.current.abort()
    const { signal } = (asked.current = new AbortController())
    setBusy(true)
    setError(undefined)
    try {
      const wrong = check(ask)
      const body = wrong ? undefined : parse(ask)
      if (!(body instanceof Obj)) throw new Error(wrong ? `Line ${wrong.place(ask).line}: ${wrong.message}.` : 'A query is an object with a selector.')
      const all = body.has('selector') ? body : new Obj([['selector', body]])
      all.set('limit', parse(String(page)))
      if (bookmark) {
        all.set('bookmark', bookmark)
        all.delete('skip') // behind a bookmark that much would be left out again
      }
      const res = await api.find([db, '_find'], { body: print(all), signal })
      const a = parse(await res.text()) as Obj
      const docs = a.get('docs') as Obj[]
      setWarning(a.get('warning') as string | undefined)
      more.current = docs.length === page ? { bookmark: a.get('bookmark') as string, query: ask } : undefined
      setRows([...before, ...docs])
    } catch (e) {
      if (!api.left(e)) setError(e)
    } finally {
      if (!signal.aborted) setBusy(false)
    }
  }
  const run = () => {
    setQuery({ find: text.current })
    write(false)
    setRows(undefined)
    more.current = undefined
    void read(text.current, undefined, [])
  }
  const goOn = () => more.current && void read(more.current.query, more.current.bookmark, rows ?? [])
  const visible = (_from: number, to: number) => !busy && error === undefined && rows && to >= rows.length - 10 && goOn()
  const idOf = (d: Obj): string | undefined => {
    const id = d.get('_id')
    return typeof id === 'string' ? id : undefined
  }
  const columns = useMemo(() => [
    { title: 'Id', width: '35%', cell: (d: Obj) => (idOf(d) !== undefined ? <a href={link(['db', db, 'doc', idOf(d)!])} tabIndex={-1} dir="auto">{idOf(d)}</a> : <span class="faint">not among the fields</span>) },
    { title: 'Content', cell: (d: Obj) => <code class="faint" dir="auto">{shown(d)}</code> },
  ], [db])
  return (
    <>
      <div class="find">
        <Editor label="Mango query" mode="json" value={text.current} onChange={(t) => {
          text.current = t
          write(true)
        }} onSave={run} height="10rem" />
        <Button kind="primary" busy={busy && !rows} onClick={run}>Find</Button>
      </div>
      <Trouble error={error} retry={more.current ? goOn : run} />
      {warning && <Notice kind="warning">{warning.trim()}</Notice>}
      {rows && (rows.length === 0 ? <Empty title="Nothing matches" /> : (
        <>
          <p class="faint number" aria-live="polite">{more.current ? `The first ${rows.length}; more come as you scroll` : `${rows.length} found`}</p>
          <Table<Obj> label="Found documents" columns={columns} count={rows.length} row={(i) => rows[i]} rowKey={(_d, i) => String(i)} onVisible={visible} onOpen={(d) => idOf(d) !== undefined && go(['db', db, 'doc', idOf(d)!])} />
        </>
      ))}
    </>
  )
}

function shown(d: Obj): string {
  const text = print(new Obj(d.members.filter(([n]): boolean => !n.startsWith('_')) as [string, Json][]))
  return text.length > 300 ? text.slice(0, 300) + ' …' : text
}

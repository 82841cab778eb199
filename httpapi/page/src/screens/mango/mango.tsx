import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { plural } from '../../format'
import { check, Obj, parse, print } from '../../json'
import { useAbort, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Editor } from '../../parts/editor'
import { Field } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { done } from '../../parts/toast'
import { useAdminOf } from '../../rights'
import { go, link, setQuery, useGuard } from '../../router'
import type { ScreenProps } from '../../screens'
import { Explained, type Plan, type Stats } from './explained'

/** An index as GET _index tells it. */
export interface Index {
  ddoc: string | null
  name: string
  type: string
  partitioned?: boolean
  def: { fields: Record<string, string>[]; partial_filter_selector?: unknown }
}

const fieldsOf = (i: Index) => i.def.fields.map((f) => Object.entries(f).map(([n, d]) => (d === 'desc' ? `${n} descending` : n)).join()).join(', ')

/** Mango: the indexes of a database, and how a query would be answered. */
export default function Mango({ params, query }: ScreenProps): JSX.Element {
  const db = params.db!
  const indexes = useLoad((signal) => api.get<{ indexes: Index[] }>([db, '_index'], {}, signal), [db])
  const may = useAdminOf(db)
  const [making, make] = useState(false)
  const [removing, remove] = useState<Index>()
  const act = useAct()
  const own = indexes.value?.indexes.filter((i) => i.type !== 'special') ?? []
  return (
    <>
      <header class="bar">
        <h1 class="unseen">Mango</h1>
        <span class="push" />
        {may === false && <span class="faint">Administrators of the database make indexes.</span>}
        {may && <Button kind="primary" onClick={() => make(true)}>New index</Button>}
      </header>
      <section class="stack" aria-labelledby="mango-indexes">
        <h2 id="mango-indexes">Indexes</h2>
        <Trouble error={indexes.error} retry={indexes.reload} />
        {!indexes.value && !indexes.error && <Waiting />}
        {indexes.value && own.length === 0 && <Empty title="There are no indexes"><p>Without one, every query reads all documents.</p></Empty>}
        <ul class="mango-indexes">
          {own.map((i) => (
            <li key={`${i.ddoc} ${i.name}`}>
              <strong dir="auto">{i.name}</strong>
              <span>by <bdi class="mono">{fieldsOf(i)}</bdi></span>
              {i.def.partial_filter_selector !== undefined && JSON.stringify(i.def.partial_filter_selector) !== '{}' && <span class="badge" title={JSON.stringify(i.def.partial_filter_selector)}>only some documents</span>}
              <span class="push" />
              {may && i.ddoc && <Button kind="quiet" label={`Delete the index ${i.name}`} onClick={() => remove(i)}>Delete</Button>}
            </li>
          ))}
        </ul>
      </section>
      <Explain db={db} may={may ?? false} text={query.get('find') ?? undefined} onIndexed={indexes.reload} />
      {making && <Make db={db} onClose={() => make(false)} onDone={() => {
        make(false)
        indexes.reload()
      }} />}
      {removing && (
        <Dialog title={`Delete the index ${removing.name}?`} onClose={() => (remove(undefined), act.setError(undefined))} actions={
          <Button kind="danger" busy={act.busy} onClick={() => void act.run(async (to) => {
            await to.send('DELETE', [db, '_index', removing.ddoc!, removing.type, removing.name])
            remove(undefined)
            done(`${removing.name} is deleted`)
            indexes.reload()
          })}>Delete</Button>
        }>
          <Trouble error={act.error} />
          <p>Queries that use it read another index then, or all documents. No document is lost.</p>
        </Dialog>
      )}
    </>
  )
}

const start = '{\n  "selector": {\n    "type": "recipe"\n  },\n  "limit": 25\n}'

function Explain({ db, may, text, onIndexed }: { db: string; may: boolean; text: string | undefined; onIndexed: () => void }): JSX.Element {
  const query = useRef(text ?? start)
  const [plan, setPlan] = useState<Plan>()
  const [stats, setStats] = useState<Stats>()
  const [docs, setDocs] = useState<string[]>()
  const act = useAct()
  const leaving = useAbort()
  const [written, write] = useState(false) // since it was asked the last time
  const held = useGuard(written, 'This query was not asked yet.')
  const body = (): Obj => {
    const wrong = check(query.current)
    if (wrong) throw new Error(`Line ${wrong.place(query.current).line}: ${wrong.message}.`)
    const tree = parse(query.current)
    if (!(tree instanceof Obj)) throw new Error('A query is an object with a selector.')
    return tree.has('selector') ? tree : new Obj([['selector', tree]])
  }
  const run = (what: 'explain' | 'find') => void act.run(async () => {
    const q = body()
    setQuery({ find: query.current })
    write(false)
    const explained = await api.find([db, '_explain'], { body: print(q), signal: leaving })
    setPlan((await explained.json()) as Plan)
    setStats(undefined)
    setDocs(undefined)
    if (what === 'explain') return
    q.set('execution_stats', true)
    const found = parse(await (await api.find([db, '_find'], { body: print(q), signal: leaving })).text()) as Obj
    setDocs((found.get('docs') as Obj[]).map((d) => print(d)))
    setStats(JSON.parse(print(found.get('execution_stats') ?? null)) as Stats)
  })
  return (
    <section class="stack" aria-labelledby="mango-query">
      <h2 id="mango-query">How is this answered?</h2>
      <Editor label="Mango query" mode="json" value={query.current} onChange={(t) => {
        query.current = t
        write(true)
      }} onSave={() => run('explain')} height="11rem" />
      <div class="row">
        <Button kind="primary" busy={act.busy} onClick={() => run('explain')}>Explain</Button>
        <Button busy={act.busy} onClick={() => run('find')}>Run it and count</Button>
        <a href={link(['db', db, 'docs'], { by: 'mango', find: query.current })} onClick={(e) => {
          e.preventDefault()
          held.free()
          go(['db', db, 'docs'], { by: 'mango', find: query.current })
        }}>Show all that it finds</a>
      </div>
      <Trouble error={act.error} />
      {plan && <Explained db={db} may={may} plan={plan} stats={stats} onIndexed={() => {
        onIndexed()
        run('explain')
      }} />}
      {docs && (
        <div class="mango-found">
          <p class="faint">{plural(docs.length, 'document')} in the first answer.</p>
          {docs.slice(0, 10).map((d, i) => <pre key={i} dir="auto">{d.length > 500 ? d.slice(0, 500) + ' …' : d}</pre>)}
        </div>
      )}
    </section>
  )
}

/** Makes an index of fields. */
function Make({ db, onClose, onDone }: { db: string; onClose: () => void; onDone: () => void }): JSX.Element {
  const [fields, setFields] = useState('')
  const [name, setName] = useState('')
  const [filter, setFilter] = useState('')
  const act = useAct()
  const list = fields.split(',').map((f) => f.trim()).filter(Boolean)
  const wrong = filter.trim() !== '' && check(filter) ? 'A selector is JSON, such as {"state": "open"}' : undefined
  const make = () => act.run(async (to) => {
    const index = new Obj([['fields', list]])
    if (filter.trim()) index.set('partial_filter_selector', parse(filter))
    const all = new Obj([['index', index]])
    if (name) {
      all.set('name', name)
      all.set('ddoc', name)
    }
    const a = await to.send<{ result: string; name: string }>('POST', [db, '_index'], undefined, { body: print(all) })
    done(a.result === 'exists' ? `There is such an index already: ${a.name}` : `${a.name} is there. It is built in the background.`)
    onDone()
  })
  return (
    <Dialog title="New index" onClose={onClose} onSubmit={() => list.length > 0 && !wrong && make()} actions={<Button kind="primary" type="submit" busy={act.busy} disabled={list.length === 0 || !!wrong}>Make it</Button>}>
      <Trouble error={act.error} />
      <Field label="Fields" value={fields} onInput={setFields} placeholder="type, author.name" hint="with commas between, in the order in which queries narrow them" autofocus required />
      <Field label="Name" value={name} onInput={setName} hint="empty: the server makes one" />
      <Field label="Only documents that match" value={filter} onInput={setFilter} error={wrong} rows={3} hint="a selector; empty: all documents that have the fields" />
    </Dialog>
  )
}

import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { plural } from '../../format'
import { Obj, parse, print, type Json } from '../../json'
import { useAbort } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Editor, type Mark } from '../../parts/editor'
import { Choice, Field } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { done } from '../../parts/toast'
import { textOf, type View } from './views'

/** What POST _try_view answers. */
interface Trial {
  docs: { id: string; rows: number; error?: { error: string; reason: string; line?: number } }[]
  rows: { id: string; key: unknown; value: unknown }[]
  value?: unknown
  reduce_error?: { error: string; reason: string; line?: number }
}

const start = `function (doc) {
  if (doc.type === 'recipe') {
    emit(doc.title, 1);
  }
}`

const startReduce = `function (keys, values, rereduce) {
  return sum(values);
}`

const builtin = ['_count', '_sum', '_stats', '_approx_count_distinct']
type Kind = '' | 'own' | string

/** Writes a view: tried on documents before it is saved, with mistakes marked on their lines. */
export function Edit({ db, design, view, onClose, onDone }: { db: string; design: string; view?: View | undefined; onClose: () => void; onDone: () => void }): JSX.Element {
  const [ddoc, setDdoc] = useState(design)
  const [name, setName] = useState(view?.name ?? '')
  const map = useRef(view?.map ?? start)
  const own = useRef(view && view.reduce && !view.reduce.startsWith('_') ? view.reduce : startReduce)
  const [kind, setKind] = useState<Kind>(!view?.reduce ? '' : view.reduce.startsWith('_') ? view.reduce : 'own')
  const [ids, setIds] = useState('')
  const [trial, setTrial] = useState<Trial>()
  const [marks, setMarks] = useState<{ map: Mark[]; reduce: Mark[] }>({ map: [], reduce: [] })
  const opened = useRef({ map: view?.map, reduce: view?.reduce }) // what the visitor's changes are made to
  const [theirs, setTheirs] = useState<{ map: string; reduce: string }>()
  const act = useAct()
  const leaving = useAbort()
  const reduce = () => (kind === 'own' ? own.current : kind)

  const run = (does: (to: api.Sender) => Promise<void>) => act.run(async (to) => {
    setMarks({ map: [], reduce: [] })
    try {
      await does(to)
    } catch (e) {
      const where = mistake(e)
      if (where) setMarks({ map: where.of === 'map' ? [onLine(map.current, where.line, where.text)] : [], reduce: where.of === 'reduce' ? [onLine(own.current, where.line, where.text)] : [] })
      throw e
    }
  })

  const tryOut = () => run(async () => {
    const lib = await libOf(db, design, leaving)
    const wanted = ids.split(/[\s,]+/).filter(Boolean)
    const body = new Obj([['map', map.current]])
    if (reduce()) body.set('reduce', reduce())
    if (lib) body.set('lib', lib)
    if (wanted.length) body.set('ids', wanted)
    const t = JSON.parse(await (await api.find([db, '_try_view'], { body: print(body), signal: leaving })).text()) as Trial
    setTrial(t)
    const first = t.docs.find((d) => d.error?.line)?.error
    setMarks({
      map: first ? [onLine(map.current, first.line!, `${first.error}: ${first.reason}`)] : [],
      reduce: t.reduce_error?.line ? [onLine(own.current, t.reduce_error.line, `${t.reduce_error.error}: ${t.reduce_error.reason}`)] : [],
    })
  })

  // The design document is read again and gets this one view, so nothing else of it changes.
  const save = () => run(async (to) => {
    const path = [db, '_design/' + ddoc]
    let doc = new Obj()
    try {
      doc = parse(await api.getText(path, {}, leaving)) as Obj
    } catch (e) {
      if (!(e instanceof api.Failure) || e.status !== 404) throw e
    }
    const all = doc.get('views')
    const views = all instanceof Obj ? all : new Obj()
    const had = views.get(name)
    if (had !== undefined && name !== view?.name) throw new Error(`${ddoc} has a view ${name} already.`)
    const next = had instanceof Obj ? had : new Obj()
    const old = view && ddoc === design ? views.get(view.name) : undefined
    if (old instanceof Obj) {
      const now = { map: textOf(old.get('map')), reduce: textOf(old.get('reduce')) }
      const is = (v: { map: string | undefined; reduce: string | undefined }) => now.map === v.map && now.reduce === v.reduce
      if (!is(opened.current) && !is({ map: map.current, reduce: reduce() })) {
        opened.current = now
        return setTheirs(now)
      }
    }
    next.set('map', map.current)
    if (reduce()) next.set('reduce', reduce())
    else next.delete('reduce')
    if (view && view.name !== name && ddoc === design) views.delete(view.name)
    views.set(name, next)
    doc.set('views', views)
    await to.send('PUT', path, undefined, { body: print(doc), signal: leaving })
    done(`${name} is saved. Its index is built when it is first asked.`)
    onDone()
  })

  return (
    <Dialog wide title={view ? `${design} / ${view.name}` : 'New view'} unsaved="This view is not saved." onClose={onClose} onSubmit={() => ddoc && name && save()} actions={
      <>
        <Button onClick={tryOut} busy={act.busy}>Try it</Button>
        <Button kind="primary" type="submit" busy={act.busy} disabled={!ddoc || !name}>{theirs ? 'Save over theirs' : 'Save'}</Button>
      </>
    }>
      <Trouble error={act.error} />
      {theirs && (
        <Notice kind="warning">
          Somebody else has changed this view since you opened it, so nothing was saved. This is what it is now:
          <pre dir="auto" tabIndex={0} aria-label="The view as it is saved now">{theirs.map}{theirs.reduce && `\n\nreduce: ${theirs.reduce}`}</pre>
        </Notice>
      )}
      <div class="row">
        <div class="grow"><Field label="Design document" value={ddoc} onInput={setDdoc} disabled={design !== ''} required /></div>
        <div class="grow"><Field label="View" value={name} onInput={setName} required /></div>
      </div>
      <div class="design-code">
        <h3>Map</h3>
        <Editor label="Map function" mode="text" value={map.current} onChange={(t) => (map.current = t)} marks={marks.map} onSave={tryOut} height="14rem" />
      </div>
      <Choice label="Reduce" value={kind} onChange={setKind} options={[['', 'none'], ...[...new Set([...builtin, ...(kind.startsWith('_') ? [kind] : [])])].map((b) => [b, b] as const), ['own', 'a function of its own']]} />
      {kind === 'own' && <Editor label="Reduce function" mode="text" value={own.current} onChange={(t) => (own.current = t)} marks={marks.reduce} onSave={tryOut} height="9rem" />}
      <Field label="Try it on" value={ids} onInput={setIds} hint="ids with commas between; empty: the first ten documents" />
      {trial && <Tried trial={trial} reduced={kind === 'own'} />}
    </Dialog>
  )
}

function Tried({ trial, reduced }: { trial: Trial; reduced: boolean }): JSX.Element {
  const wrong = trial.docs.filter((d) => d.error)
  return (
    <section class="stack" aria-label="What it makes of these documents" aria-live="polite">
      <p class="faint">{plural(trial.docs.length, 'document')} tried, {plural(trial.rows.length, 'row')}.</p>
      {wrong.length > 0 && (
        <Notice kind="warning">
          {wrong.slice(0, 5).map((d) => (
            <p key={d.id}><bdi>{d.id}</bdi>: {d.error!.error}: {d.error!.reason}{d.error!.line ? `, on line ${d.error!.line}` : ''}</p>
          ))}
          {wrong.length > 5 && <p>… and {plural(wrong.length - 5, 'document')} more. They have no rows in the view.</p>}
        </Notice>
      )}
      {trial.rows.length > 0 && (
        <div class="design-tried">
          <table aria-label="Rows">
            <thead><tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">Document</th></tr></thead>
            <tbody>
              {trial.rows.slice(0, 200).map((r, i) => (
                <tr key={i}><td><code dir="auto">{JSON.stringify(r.key)}</code></td><td><code dir="auto">{JSON.stringify(r.value).slice(0, 300)}</code></td><td dir="auto">{r.id}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {reduced && trial.reduce_error && <Notice kind="warning">The reduce function: {trial.reduce_error.error}: {trial.reduce_error.reason}{trial.reduce_error.line ? `, on line ${trial.reduce_error.line}` : ''}</Notice>}
      {reduced && trial.value !== undefined && <p>All rows reduced: <code dir="auto">{JSON.stringify(trial.value)}</code></p>}
    </section>
  )
}

/** views.lib of a design document, which its functions may require. */
async function libOf(db: string, design: string, signal: AbortSignal): Promise<Json | undefined> {
  if (!design) return undefined
  const views = (parse(await api.getText([db, '_design/' + design], {}, signal)) as Obj).get('views')
  return views instanceof Obj ? views.get('lib') : undefined
}

/** Where the server found a mistake in a function, from its words. */
function mistake(e: unknown): { of: 'map' | 'reduce'; line: number; text: string } | undefined {
  if (!(e instanceof api.Failure) || e.error !== 'compilation_error') return undefined
  const m = /of the (map|reduce) function .*?Line (\d+):\d+ ([^(]*)/s.exec(e.reason)
  return m ? { of: m[1] as 'map' | 'reduce', line: Number(m[2]), text: m[3]!.trim() } : undefined
}

/** A mark over a whole line of a text. */
function onLine(text: string, line: number, message: string): Mark {
  const lines = text.split('\n')
  const at = Math.min(Math.max(1, line), lines.length) - 1
  const from = lines.slice(0, at).reduce((n, l) => n + l.length + 1, 0)
  return { from, to: from + lines[at]!.length, message }
}

// One document in conflict: what its versions are, what to take of each, and the request that ends the conflict.
import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { plural } from '../../format'
import { Obj, parse, print, check } from '../../json'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Editor } from '../../parts/editor'
import { Menu } from '../../parts/menu'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { link, useGuard } from '../../router'
import { isPlace, nextMark, textOf } from './lines'
import { chosen, compare, decided, handText, resultOf, shortRev, together, valueOf, type Choice, type Choices, type Row, type Step, type Version } from './merge'
import { pathOf, stepsOf } from './ancestors'
import { Difference, picked } from './row'
import { Shortcuts } from './keys'

/** A row of _conflicts. */
export interface Conflict {
  seq: string
  id: string
  changes: { rev: string; ancestor?: string | null }[]
}

/** What a document is compared of. */
interface State {
  conflict: Conflict
  versions: Version[]
  baseRev: string | null
  baseName: string
  base: Obj | null
  /** how the versions are merged, two by two; undefined: all with the base */
  steps?: Step[] | undefined
  deleted: string[]
  /** what somebody has done since the visitor began */
  meanwhile?: 'changed' | 'resolved' | 'fewer'
  /** the keys of rows that differ from what the visitor saw */
  moved: ReadonlySet<string>
}

const ordinal = ['First', 'Second', 'Third', 'Fourth', 'Fifth']
const nameOf = (n: number, of: number) => (of === 2 ? ['Left', 'Right'][n]! : ordinal[n] ?? `Version ${n + 1}`)

// What the keyboard goes to: differences, and places in texts that were merged by lines.
const rowsAndPlaces = '.cf-row, .cf-piece'
const toDecide = '.cf-piece.open, .cf-row.open:not(:has(.cf-piece))'

// How many differences are shown at first.
const page = 100

async function read(db: string, id: string, rev: string, signal: AbortSignal): Promise<Obj> {
  return parse(await api.getText([db, id], { rev, revs: true }, signal)) as Obj
}

async function load(db: string, id: string, signal: AbortSignal): Promise<State> {
  const conflict = await api.get<Conflict>([db, '_conflicts', id], {}, signal)
  const { changes } = conflict
  const docs = await Promise.all(changes.map((c) => read(db, id, c.rev, signal)))
  const bodies = new Map<string, Promise<Obj | null>>()
  const body = (rev: string) => {
    const known = bodies.get(rev) ?? read(db, id, rev, signal).catch((e: unknown) => {
      if (e instanceof api.Failure && e.status === 404) return null
      throw e
    })
    bodies.set(rev, known)
    return known
  }
  const steps = await Promise.all(stepsOf(docs.map(pathOf)).map(async (s) => ({ ...s, base: s.rev ? await body(s.rev) : null })))
  // The last two groups that meet have the ancestor of all.
  const baseRev = steps.at(-1)?.rev || null
  const base = steps.at(-1)?.base ?? null
  const winner = await api.get<{ _deleted_conflicts?: string[] }>([db, id], { deleted_conflicts: true }, signal)
  return {
    conflict,
    versions: changes.map((c, n) => ({ name: nameOf(n, changes.length), rev: c.rev, doc: docs[n]! })),
    baseRev, base, steps, baseName: 'Before',
    deleted: winner._deleted_conflicts ?? [],
    moved: new Set(),
  }
}

/** What the visitor sees after somebody was faster: their own result beside what is new. */
async function again(db: string, id: string, was: State, mine: Obj, signal: AbortSignal): Promise<State | null> {
  let now: State
  try {
    now = await load(db, id, signal)
  } catch (e) {
    if (e instanceof api.Failure && e.status === 404) return null
    throw e
  }
  const saw = was.versions.filter((v) => v.rev !== '')
  const seen = new Set(saw.map((v) => v.rev))
  const is = new Set(now.conflict.changes.map((c) => c.rev))
  const fresh = now.versions.filter((v) => !seen.has(v.rev))
  const gone = saw.find((v) => !is.has(v.rev)) ?? saw[0]!
  const versions = [...fresh.map((v, n) => ({ ...v, name: fresh.length === 1 ? 'Now' : `Now, ${nameOf(n, fresh.length + 1)}` })), { name: 'Yours', rev: '', doc: mine }]
  const moved = new Set(fresh.flatMap((v) => compare([gone, v], null).rows.map((r) => r.key)))
  return { ...now, versions, steps: undefined, base: gone.doc, baseRev: gone.rev, baseName: 'As you saw it', moved, meanwhile: fresh.length === 0 ? 'fewer' : now.conflict.changes.length === 1 ? 'resolved' : 'changed' }
}

interface Props {
  db: string
  id: string
  /** the next document is wanted, after this one; did: what has become of this one */
  onNext: (conflict: Conflict | undefined, did?: string) => void
  onPrevious: (conflict: Conflict | undefined) => void
}

/** The merge of one document. */
export function Merge({ db, id, onNext, onPrevious }: Props): JSX.Element {
  const loaded = useLoad((signal) => load(db, id, signal), [db, id])
  const [later, setLater] = useState<State>()
  const [choices, setChoices] = useState<Choices>(new Map())
  const [made, make] = useState<string>() // what writing the whole by hand began with
  const [whole, setWhole] = useState<string>() // the result, written by hand
  const [many, setMany] = useState(page)
  const act = useAct()
  const [missing, setMissing] = useState(false)
  const [hint, setHint] = useState('')
  const [help, setHelp] = useState(false)
  const [ending, setEnding] = useState(false)
  const box = useRef<HTMLDivElement>(null)
  const leave = useRef(new AbortController())
  useEffect(() => () => leave.current.abort(), [])

  const { free } = useGuard(choices.size > 0 || whole !== undefined, 'What you have chosen for this document is not saved.', ['id'])
  const written = useGuard(whole !== made, 'What you have written by hand is not saved.', ['id'])

  const s = later ?? loaded.value
  const plan = useMemo(() => s && compare(s.versions, s.base, s.steps), [s])
  const rows = plan?.rows ?? []
  const open = rows.filter((r) => !decided(r, choices))
  const leaves = s?.conflict.changes ?? []
  const result = useMemo(() => (plan && s ? resultOf(plan, choices, id, leaves[0]!.rev) : undefined), [plan, choices])

  // Who comes by keyboard begins with the first difference.
  useEffect(() => {
    if (!s) return
    const moved = s.meanwhile && rows.find((r) => s.moved.has(r.key))
    focusOn((moved ? elementOf(moved) : stops(toDecide)[0] ?? stops(rowsAndPlaces)[0]))
  }, [s])

  const stops = (of: string) => [...(box.current?.querySelectorAll<HTMLElement>(of) ?? [])]
  const elementOf = (row: Row) => stops('.cf-row').find((e) => e.dataset.key === row.key)
  const focusOn = (at: HTMLElement | undefined) => {
    if (!at) return box.current?.focus({ preventScroll: true })
    const input = at.querySelector<HTMLElement>('input:checked') ?? at.querySelector<HTMLElement>('input')
    input?.focus({ preventScroll: true })
    at.scrollIntoView({ block: 'nearest' })
  }

  const choose = (row: Row, c: Choice) => {
    setHint('')
    setChoices((old) => new Map(old).set(row.key, c))
  }
  const byHand = (text: string | undefined) => {
    make(text)
    setWhole(text)
  }
  const chooseAll = (c: Choice) => setChoices(new Map(rows.map((r) => [r.key, c])))

  const settle = (body: string, text: string) => act.run(async (to) => {
    if (!s) return
    try {
      await to.send('POST', [db, '_conflicts', id], undefined, { query: { delete: leaves.slice(1).map((l) => l.rev) }, body, signal: leave.current.signal })
      written.free()
      free()
      onNext(s.conflict, text)
    } catch (e) {
      if (!api.left(e)) setEnding(false)
      if (!(e instanceof api.Failure) || e.status !== 409) throw e
      const mine = parse(body) as Obj
      const now = await again(db, id, s, mine, leave.current.signal)
      if (!now) return setMissing(true)
      // What the visitor has decided stays; where only somebody else has changed something, that is taken.
      const next = compare(now.versions, now.base)
      const own = now.versions.length - 1
      setChoices(new Map(next.rows.filter((r) => r.auto < 0 || r.auto === own).map((r) => [r.key, { take: 'version', n: own }])))
      byHand(undefined)
      setLater(now)
    }
  })

  const resolve = () => {
    if (!result || act.busy) return
    if (whole !== undefined) {
      const bad = check(whole)
      if (bad) return setHint(`The document is not JSON yet: line ${bad.place(whole).line}, ${bad.message}.`)
      const doc = parse(whole)
      if (!(doc instanceof Obj)) return setHint('A document is an object, in { and }.')
      doc.set('_id', id)
      doc.set('_rev', leaves[0]!.rev)
      return void settle(print(doc), `${id} is resolved`)
    }
    if (open.length) {
      setMany(rows.length)
      setHint(`${plural(open.length, 'difference is', 'differences are')} to be decided first.`)
      return requestAnimationFrame(() => focusOn(stops(toDecide)[0]))
    }
    void settle(print(result), `${id} is resolved`)
  }

  /** Goes into the text of a row or a place, once it is there: to the first place with marks, if it has any. */
  const writeIn = (at: HTMLElement | null) => requestAnimationFrame(() => {
    const text = at?.querySelector<HTMLTextAreaElement>('textarea')
    text?.focus()
    const mark = text && nextMark(text.value, -1)
    if (text && mark) text.setSelectionRange(...mark)
  })

  /** A key at a place of a text. Tells whether it meant something. */
  const keyAtPlace = (key: string, row: Row, at: HTMLElement): boolean => {
    const now = chosen(row, choices)
    const lines = row.lines
    if (now?.take !== 'pieces' || !lines?.parts || !plan) return false
    const n = Number(at.dataset.place)
    const place = lines.parts.filter(isPlace)[n]!
    const name = plan.versions[Number(key) - 1]?.name
    const pick = key === '0' && place.was ? 'was' : key === 'b' ? (place.words === undefined ? 'both' : 'words') : name === lines.names.a ? 'a' : name === lines.names.b ? 'b' : undefined
    if (key === 'h') {
      choose(row, picked(now.picks, n, { text: textOf(place, now.picks[n]) }))
      writeIn(at)
    } else if (pick) choose(row, picked(now.picks, n, pick))
    else return /^[0-9]$/.test(key)
    return true
  }

  const keys = (e: KeyboardEvent) => {
    const t = e.target as HTMLElement
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
      e.preventDefault()
      return resolve()
    }
    if (e.ctrlKey || e.metaKey || e.altKey || help || ending) return
    const writing = t.matches('textarea, .editor, input:not([type=radio])')
    const here = t.closest<HTMLElement>('.cf-piece, .cf-row')
    const rowHere = t.closest<HTMLElement>('.cf-row')
    const row = rows.find((r) => r.key === rowHere?.dataset.key)
    if (writing) {
      if (e.key === 'Escape' && here) focusOn(here)
      return
    }
    const n = Number(e.key)
    const after = (all: HTMLElement[]) => all.find((one) => !here || here.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING)
    const before = (all: HTMLElement[]) => all.findLast((one) => here && here.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_PRECEDING)
    if (e.key === 'j') focusOn(after(stops(rowsAndPlaces)) ?? here ?? undefined)
    else if (e.key === 'k') focusOn(before(stops(rowsAndPlaces)) ?? here ?? stops(rowsAndPlaces)[0])
    else if (e.key === 'u') focusOn(after(stops(toDecide)) ?? stops(toDecide)[0] ?? here ?? undefined)
    else if (e.key === 'n') onNext(s?.conflict)
    else if (e.key === 'p') onPrevious(s?.conflict)
    else if (e.key === '?') setHelp(true)
    else if (row && here !== rowHere && keyAtPlace(e.key, row, here!)) { /* done */ }
    else if (row && plan && n >= 1 && n <= plan.versions.length) choose(row, { take: 'version', n: n - 1 })
    else if (row && e.key === '0' && plan?.base) choose(row, { take: 'base' })
    else if (row && plan && e.key === 'b' && together(row, plan)) {
      const all = together(row, plan)!
      if (all.take !== 'pieces' || chosen(row, choices)?.take !== 'pieces') choose(row, all)
      if (all.take === 'hand') writeIn(rowHere)
      else if (all.take === 'rename') requestAnimationFrame(() => focusOn(rowHere!)) // the name is beside it
      else if (all.take === 'pieces') requestAnimationFrame(() => focusOn(rowHere!.querySelector<HTMLElement>('.cf-piece.open, .cf-piece') ?? rowHere!))
    }
    else if (row && e.key === 'h' && !row.attachment) {
      const now = chosen(row, choices)
      if (now?.take !== 'hand') choose(row, { take: 'hand', ...handText(row, now ? valueOf(row, now) : row.sides[0]) })
      writeIn(rowHere)
    } else return
    e.preventDefault()
  }

  const next = <Button onClick={() => onNext(s?.conflict)}>Next document</Button>
  if (missing || (loaded.error instanceof api.Failure && loaded.error.status === 404)) {
    return <div class="cf-merge"><Notice actions={next}>Somebody has deleted <bdi>{id}</bdi> meanwhile. There is nothing to resolve any more.</Notice></div>
  }
  if (loaded.error) return <Trouble error={loaded.error} retry={loaded.reload} />
  if (!s || !plan || !result || s.conflict.id !== id) return <Waiting />
  const alone = leaves.length === 1 && !s.meanwhile
  return (
    <div class="cf-merge" ref={box} tabIndex={-1} onKeyDown={keys} role="region" aria-label={`Merge of ${id}`}>
      <header class="cf-head">
        <h2 dir="auto">{id}</h2>
        <a href={link(['db', db, 'doc', id])}>The document</a>
        <Button kind="quiet" label="Keyboard shortcuts" onClick={() => setHelp(true)}>?</Button>
        <Menu label="More" items={[
          ...s.versions.map((v, n) => ({ text: `Take all of ${v.name}`, act: () => chooseAll({ take: 'version', n }) })),
          { text: 'Forget all choices', act: () => setChoices(new Map()) },
          { text: 'Delete the document…', act: () => setEnding(true), danger: true },
        ]}>⋯</Menu>
      </header>
      {s.meanwhile === 'changed' && <Notice kind="warning">Somebody has changed this document while you were at it, so nothing was written. Your result is beside what is new, and what you have chosen is still chosen. Look at it, and resolve again.</Notice>}
      {s.meanwhile === 'resolved' && <Notice kind="warning" actions={next}>Somebody has resolved this conflict while you were at it, so nothing was written. Your result is beside theirs, and stays chosen where the two of you differ: save it over theirs, or go on and leave theirs.</Notice>}
      {s.meanwhile === 'fewer' && <Notice kind="warning">Somebody has removed a version while you were at it, so nothing was written. Your result is kept: resolve again.</Notice>}
      {alone && <Notice kind="good" actions={next}>This document is not in conflict any more.</Notice>}
      {!alone && !s.base && <Notice>{s.baseRev === null ? 'These versions have no common ancestor that is known here' : 'What they began with is not here any more'}, so nobody can tell which side has changed. Each difference has to be decided.</Notice>}
      {s.deleted.length > 0 && <p class="faint">{plural(s.deleted.length, 'deleted version')} beside these ({s.deleted.slice(0, 3).map(shortRev).join(', ')}). What is deleted is not in conflict: the edits count.</p>}
      {!alone && whole === undefined && (
        <div class="cf-rows" style={{ '--n': String(plan.versions.length + (plan.base ? 1 : 0)) }}>
          <div class="cf-columns" aria-hidden="true">
            {plan.base && <div><strong>{s.baseName}</strong> <code>{shortRev(s.baseRev!)}</code></div>}
            {plan.versions.map((v, n) => <div key={v.rev}><strong>{v.name}</strong> {v.rev && <code>{shortRev(v.rev)}</code>} {v.rev === leaves[0]!.rev && <span class="badge">winner</span>}<Parted state={s} n={n} /></div>)}
          </div>
          {rows.length === 0 && <Notice kind="good">The versions say the same. Resolve to leave one of them.</Notice>}
          {rows.slice(0, many).map((r) => (
            <Difference key={r.key} db={db} id={id} plan={plan} row={r} choices={choices} baseRev={s.baseRev} baseName={s.baseName} moved={s.moved.has(r.key)} choose={choose} />
          ))}
          {rows.length > many && <Button onClick={() => setMany(many + page)}>Show more of {plural(rows.length, 'difference')}</Button>}
        </div>
      )}
      {whole !== undefined && (
        <div class="stack">
          <p class="faint">The whole document, as it is to be. Its <code>_id</code> and <code>_rev</code> are put right when it is saved.</p>
          <Editor label="The whole document" mode="json" value={whole} onChange={setWhole} onSave={resolve} height="24rem" autofocus />
        </div>
      )}
      {!alone && whole === undefined && (
        <details class="cf-result">
          <summary>What the document will be</summary>
          <pre dir="auto">{print(result, true).slice(0, 20_000)}</pre>
        </details>
      )}
      <Trouble error={act.error} />
      {!alone && (
        <footer class="cf-foot">
          <span class="cf-state" role="status">{hint || (whole !== undefined ? 'Written by hand' : open.length ? `${open.length} of ${plural(rows.length, 'difference')} to be decided` : rows.length ? `${rows.length === 1 ? 'The difference is' : `All ${plural(rows.length, 'difference')} are`} decided` : '')}</span>
          <Button kind="quiet" onClick={() => (whole === undefined ? byHand(print(result, true)) : written.mayLeave() && byHand(undefined))}>{whole === undefined ? 'Edit as a whole' : 'Field by field'}</Button>
          <Button onClick={() => onNext(s.conflict)}>Skip</Button>
          <Button kind="primary" busy={act.busy} onClick={resolve} title="Ctrl+Enter">{s.meanwhile === 'resolved' ? 'Save over theirs' : 'Resolve'}</Button>
        </footer>
      )}
      {help && <Shortcuts versions={plan.versions.map((v) => v.name)} onClose={() => setHelp(false)} />}
      {ending && (
        <Dialog title="Delete this document?" onClose={() => setEnding(false)} actions={<Button kind="danger" busy={act.busy} onClick={() => void settle(print(new Obj([['_id', id], ['_rev', leaves[0]!.rev], ['_deleted', true]])), `${id} is deleted`)}>Delete</Button>}>
          <p>All its versions are deleted in one step. Whoever replicates with this database loses them too.</p>
        </Dialog>
      )}
    </div>
  )
}

/** Of three and more versions: where one has parted from the nearest other one. */
function Parted({ state: s, n }: { state: State; n: number }): JSX.Element | null {
  const step = s.versions.length > 2 ? s.steps?.find((x) => x.a === n || x.b === n) : undefined
  if (!step?.rev) return null
  return <div class="faint">parted from {s.versions[step.a === n ? step.b : step.a]!.name} at <code>{shortRev(step.rev)}</code></div>
}

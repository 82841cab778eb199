import type { JSX } from 'preact'
import { useId, useLayoutEffect, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { Obj, parse, print, type Json } from '../../json'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { done } from '../../parts/toast'
import { useGuard } from '../../router'

const groups = ['admins', 'members'] as const
const kinds = ['names', 'roles'] as const
type Group = (typeof groups)[number]
type Kind = (typeof kinds)[number]
type Lists = Record<Group, Record<Kind, string[]>>

const titles = {
  admins: ['Administrators', 'They change design documents and this security.'],
  members: ['Members', 'They read and write documents. If there are neither members nor their roles, everybody is one.'],
} as const

function listsOf(v: Obj): Lists {
  const texts = (x: Json | undefined): string[] => (Array.isArray(x) ? x.filter((s): s is string => typeof s === 'string') : [])
  const group = (name: string) => {
    const g = v.get(name)
    return { names: texts(g instanceof Obj ? g.get('names') : undefined), roles: texts(g instanceof Obj ? g.get('roles') : undefined) }
  }
  return { admins: group('admins'), members: group('members') }
}

/** The lists as they are now, with what a visitor has made of lists as they were. */
function onto(now: Lists, was: Lists, mine: Lists): Lists {
  const of = (g: Group, k: Kind) => {
    const stays = now[g][k].filter((v) => mine[g][k].includes(v) || !was[g][k].includes(v))
    return [...stays, ...mine[g][k].filter((v) => !was[g][k].includes(v) && !stays.includes(v))]
  }
  const group = (g: Group) => ({ names: of(g, 'names'), roles: of(g, 'roles') })
  return { admins: group('admins'), members: group('members') }
}

const read = async (db: string, signal?: AbortSignal): Promise<Obj> => parse(await api.getText([db, '_security'], {}, signal)) as Obj

/** Who may use a database. What else stands in the security object stays as it is. */
export function Security({ db, may }: { db: string; may: boolean }): JSX.Element {
  const loaded = useLoad((signal) => read(db, signal), [db])
  const [lists, setLists] = useState<Lists>()
  const act = useAct()
  const [was, setWas] = useState<Lists>()
  const changed = lists !== undefined && JSON.stringify(was) !== JSON.stringify(lists)
  useGuard(changed, 'Who may use the database is not saved.')
  useLayoutEffect(() => {
    if (!loaded.value) return
    const now = listsOf(loaded.value)
    setWas(now)
    setLists(changed ? onto(now, was!, lists) : now) // what the visitor has changed already stays
  }, [loaded.value])
  if (!lists || !was) return <section class="card stack"><h2>Who may use it</h2>{loaded.error ? <Trouble error={loaded.error} /> : <Waiting />}</section>
  const open = lists.members.names.length + lists.members.roles.length === 0
  // The visitor's changes are made to what is there now: somebody else may have changed it since it was loaded.
  const save = () => act.run(async (to) => {
    const whole = await read(db)
    const next = onto(listsOf(whole), was, lists)
    for (const g of groups) {
      let at = whole.get(g)
      if (!(at instanceof Obj)) whole.set(g, (at = new Obj()))
      for (const k of kinds) (at as Obj).set(k, next[g][k])
    }
    await to.send('PUT', [db, '_security'], undefined, { body: print(whole) })
    setWas(lists)
    done('Saved who may use the database.')
    loaded.reload()
  })
  return (
    <section class="card stack">
      <h2>Who may use it</h2>
      {open && <Notice kind="warning">Everybody who reaches the server may read and write this database, even without signing in.</Notice>}
      <div class="security">
        {groups.map((g) => (
          <fieldset key={g}>
            <legend>{titles[g][0]}</legend>
            <p class="faint">{titles[g][1]}</p>
            {kinds.map((k) => <Chips key={k} label={`${titles[g][0]}: ${k === 'names' ? 'users' : 'roles'}`} title={k === 'names' ? 'Users' : 'Roles'} values={lists[g][k]} readOnly={!may} onChange={(values) => setLists({ ...lists, [g]: { ...lists[g], [k]: values } })} />)}
          </fieldset>
        ))}
      </div>
      <Trouble error={act.error} />
      {may && (
        <div class="row">
          <Button kind="primary" busy={act.busy} disabled={!changed} onClick={() => void save()}>Save</Button>
          {changed && <Button kind="quiet" onClick={() => setLists(was)}>Undo</Button>}
        </div>
      )}
    </section>
  )
}

/** A list of texts: each can be removed, and Enter adds what was typed. */
function Chips({ label, title, values, readOnly, onChange }: { label: string; title: string; values: string[]; readOnly: boolean; onChange: (values: string[]) => void }): JSX.Element {
  const [typed, type] = useState('')
  const id = useId()
  const add = () => {
    const value = typed.trim()
    type('')
    if (value && !values.includes(value)) onChange([...values, value])
  }
  return (
    <div class="field">
      <label for={id}>{title}<span class="unseen"> ({label})</span></label>
      <div class="chips">
        {values.map((v) => (
          <span key={v} class="badge accent">
            <bdi>{v}</bdi>
            {!readOnly && <button type="button" aria-label={`Remove ${v}`} title={`Remove ${v}`} onClick={() => onChange(values.filter((o) => o !== v))}>✕</button>}
          </span>
        ))}
        <input id={id} value={typed} aria-label={label} readOnly={readOnly} placeholder={readOnly ? (values.length ? '' : 'Nobody') : 'Add …'} autocomplete="off" autocapitalize="off" spellcheck={false} onInput={(e) => type(e.currentTarget.value)} onBlur={add} onKeyDown={(e) => {
          if (e.key === 'Enter') {
            e.preventDefault()
            add()
          } else if (e.key === 'Backspace' && !readOnly && typed === '' && values.length > 0) onChange(values.slice(0, -1))
        }} />
      </div>
    </div>
  )
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { check as checkJSON } from '../../json'
import { useAbort } from '../../load'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Choice, Field, Tick } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { done } from '../../parts/toast'
import { shown } from './words'

/** One end, as it is typed. */
interface End {
  address: string
  user: string
  password: string
}

const empty: End = { address: '', user: '', password: '' }

const isURL = (address: string) => /^https?:\/\//.test(address)

/** As the server takes it: credentials stand beside the URL, never in it. */
const endpoint = (e: End): unknown => (!isURL(e.address) ? e.address : e.user ? { url: e.address, auth: { basic: { username: e.user, password: e.password } } } : e.address)

/** A name and a password that were pasted with the address move to their own fields. */
function typed(old: End, address: string): End {
  const m = /^(https?:\/\/)([^/@:]*)(?::([^/@]*))?@(.*)$/.exec(address.trim())
  if (!m) return { ...old, address: address.trimStart() }
  const plain = (s: string) => {
    try {
      return decodeURIComponent(s)
    } catch {
      return s
    }
  }
  return { address: m[1]! + m[4]!, user: plain(m[2]!), password: m[3] === undefined ? old.password : plain(m[3]) }
}

interface EndCheck {
  name: string
  ok: boolean
  exists: boolean | null
  creates?: boolean
  error?: string
  reason?: string
}

interface Checked {
  ok: boolean
  source: EndCheck
  target: EndCheck
}

type Kind = 'here' | 'addresses'
type Direction = 'both' | 'pull' | 'push'
type When = 'continuous' | 'once' | 'every'
type Which = 'all' | 'ids' | 'selector'

/** Starts a synchronization or a replication. It has the server test both ends first. */
export function Form({ onClose, onStarted }: { onClose: () => void; onStarted: () => void }): JSX.Element {
  const [kind, setKind] = useState<Kind>('here')
  const [here, setHere] = useState('')
  const [a, setA] = useState(empty) // the source, if it is between addresses
  const [b, setB] = useState(empty) // the target, or the other database
  const [direction, setDirection] = useState<Direction>('both')
  const [when, setWhen] = useState<When>('continuous')
  const [minutes, setMinutes] = useState('15')
  const [create, setCreate] = useState(false)
  const [which, setWhich] = useState<Which>('all')
  const [ids, setIds] = useState('')
  const [selector, setSelector] = useState('')
  const act = useAct()
  const [checks, setChecks] = useState<Checked[]>()
  const signal = useAbort()

  // What was tested is not what is there now.
  const changes = <T,>(set: (v: T) => void) => (v: T) => {
    set(v)
    setChecks(undefined)
    act.setError(undefined)
  }
  const list = ids.split('\n').map((s) => s.trim()).filter(Boolean)
  const seconds = Math.round(Number(minutes) * 60)
  const wrongSelector = which === 'selector' && selector.trim() !== '' ? checkJSON(selector)?.message : undefined
  const ready = (kind === 'here' ? here !== '' : isURL(a.address)) && (kind === 'here' ? b.address !== '' : isURL(b.address)) &&
    (which !== 'ids' || list.length > 0) && (which !== 'selector' || (selector.trim() !== '' && !wrongSelector)) && (when !== 'every' || kind === 'addresses' || seconds >= 1)

  const filter = () => (which === 'ids' ? { doc_ids: list } : {})
  /** A request in JSON. The selector goes as it was typed. */
  const text = (members: Record<string, unknown>) => {
    const body = JSON.stringify({ ...members, ...filter() })
    return which === 'selector' ? `${body.slice(0, -1)},"selector":${selector}}` : body
  }
  /** The replications that it comes to. */
  const replications = (): string[] => {
    if (kind === 'addresses') return [text({ source: endpoint(a), target: endpoint(b), create_target: create })]
    const pull = text({ source: endpoint(b), target: here })
    const push = text({ source: here, target: endpoint(b), create_target: create })
    return direction === 'pull' ? [pull] : direction === 'push' ? [push] : create ? [push] : [pull, push]
  }
  const test = async (): Promise<boolean> => {
    const found = await Promise.all(replications().map((body) => api.find(['_replicate', '_check'], { body, signal }).then((r) => r.json() as Promise<Checked>)))
    setChecks(found)
    return found.every((c) => c.ok)
  }
  const attempt = (what: 'test' | 'start', does: (to: api.Sender) => Promise<unknown>) => (ready ? act.run(does, what) : undefined)
  const start = async (to: api.Sender) => {
    if (kind === 'here') {
      const body = text({ remote: endpoint(b), direction, create_remote: create && direction !== 'pull', continuous: when === 'continuous', ...(when === 'every' ? { schedule: { every: seconds } } : {}) })
      await to.send('POST', [here, '_synchronizations'], undefined, { body, signal })
      done('The synchronization has started.')
    } else {
      await to.send('POST', ['_replicator'], undefined, { body: text({ source: endpoint(a), target: endpoint(b), create_target: create, continuous: when === 'continuous' }), signal })
      done('The replication has started.')
    }
    onStarted()
  }
  const failing = checks?.some((c) => !c.ok)
  return (
    <Dialog
      title="New replication"
      wide
      onClose={onClose}
      onSubmit={() => attempt('start', async (to) => {
        if (await test()) await start(to)
      })}
      actions={
        <>
          <Cancel />
          <Button disabled={!ready} busy={act.busy} onClick={() => attempt('test', test)}>Test both ends</Button>
          {failing && <Button kind="danger" disabled={!ready} busy={act.busy} onClick={() => attempt('start', start)}>Start all the same</Button>}
          {!failing && <Button kind="primary" type="submit" disabled={!ready} busy={act.busy}>Test and start</Button>}
        </>
      }
    >
      <Choice<Kind> label="What" value={kind} onChange={changes(setKind)} options={[['here', 'One here, and another'], ['addresses', 'From one address to another']]}
        hint={kind === 'here' ? 'It works with your rights, in both directions if you like, and can be paused: a synchronization.' : 'A document of _replicator. It also copies between two other servers.'} />
      <div class="replication-ends">
        {kind === 'here' ? (
          <fieldset>
            <legend>The database here</legend>
            <Field label="Name" value={here} onInput={changes(setHere)} autofocus />
            <Choice<Direction> label="Direction" value={direction} onChange={changes(setDirection)} options={[['both', 'Both directions'], ['pull', 'From there to here'], ['push', 'From here to there']]} />
          </fieldset>
        ) : (
          <Side title="From" of=" of the source" end={a} onChange={changes(setA)} />
        )}
        <Side title={kind === 'here' ? 'The other database' : 'To'} of={kind === 'here' ? '' : ' of the target'} end={b} onChange={changes(setB)} names={kind === 'here'} />
      </div>
      {(kind === 'addresses' || direction !== 'pull') && <Tick label={kind === 'here' ? 'Create the other database if it does not exist' : 'Create the target if it does not exist'} value={create} onChange={changes(setCreate)} />}
      <div class="replication-ends">
        <Choice<When> label="How long" value={when} onChange={changes(setWhen)} options={[['continuous', 'Always: each change at once'], ['once', 'Once'], ...(kind === 'here' ? [['every', 'Again and again'] as const] : [])]} />
        {when === 'every' && kind === 'here' && <Field label="Minutes between two runs" type="number" value={minutes} onInput={changes(setMinutes)} />}
        <Choice<Which> label="Documents" value={which} onChange={changes(setWhich)} options={[['all', 'All'], ['ids', 'Those with these ids'], ['selector', 'Those that match a selector']]} />
      </div>
      {which === 'ids' && <Field label="Ids" rows={4} value={ids} onInput={changes(setIds)} hint="One on each line." />}
      {which === 'selector' && <Field label="Selector" rows={4} value={selector} onInput={changes(setSelector)} error={wrongSelector} placeholder={'{"type": "recipe"}'} hint="A Mango selector in JSON." />}
      {act.doing === 'test' && <Waiting label="The server asks both ends" />}
      {checks && <Found checks={checks} here={kind === 'here' ? here : undefined} />}
      <Trouble error={act.error} />
    </Dialog>
  )
}

function Side({ title, of, end, onChange, names }: { title: string; of: string; end: End; onChange: (e: End) => void; names?: boolean }): JSX.Element {
  return (
    <fieldset>
      <legend>{title}</legend>
      <Field label={`Address${of}`} value={end.address} onInput={(v) => onChange(typed(end, v))} placeholder="https://example.org/recipes" type={names ? 'text' : 'url'}
        hint={names ? 'Of a database, or the name of another one on this server.' : 'Of a database.'} />
      {(!names || isURL(end.address)) && (
        <>
          <Field label={`User${of}`} value={end.user} onInput={(user) => onChange({ ...end, user })} />
          <Field label={`Password${of}`} type="password" autocomplete="new-password" value={end.password} onInput={(password) => onChange({ ...end, password })} />
        </>
      )}
    </fieldset>
  )
}

/** What the ends have answered. */
function Found({ checks, here }: { checks: Checked[]; here: string | undefined }): JSX.Element {
  const rows = new Map<string, { name: string; tasks: [task: string, end: EndCheck][] }>()
  for (const c of checks) {
    for (const [task, end] of [['read', c.source], ['write', c.target]] as const) {
      const row = rows.get(end.name) ?? { name: end.name, tasks: [] }
      row.tasks.push([task, end])
      rows.set(end.name, row)
    }
  }
  const good = checks.every((c) => c.ok)
  return (
    <Notice kind={good ? 'good' : 'warning'}>
      <ul class="replication-found">
        {[...rows.values()].map((r) => {
          const bad = r.tasks.find(([, e]) => !e.ok)?.[1]
          const made = r.tasks.find(([, e]) => e.ok && e.exists === false)?.[1]
          return (
            <li key={r.name}>
              <strong dir="auto">{shown(r.name)}</strong>{r.name === here ? ' (here)' : ''}:{' '}
              {bad ? bad.reason : made ? (made.creates ? 'does not exist and will be created.' : 'does not exist. Whether it may be created shows only when it is tried.') : `can be ${[...new Set(r.tasks.map(([t]) => (t === 'read' ? 'read' : 'written')))].join(' and ')}.`}
            </li>
          )
        })}
      </ul>
      {good && <p class="faint">Single documents may still be refused, by a validation function for instance.</p>}
    </Notice>
  )
}

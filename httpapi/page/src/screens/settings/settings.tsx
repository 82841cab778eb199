import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { plural } from '../../format'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Choice, Field, Tick } from '../../parts/field'
import { Empty, Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { done } from '../../parts/toast'

/** A setting as GET _settings tells it. */
interface Setting {
  section: string
  /** *: any name */
  name: string
  value: string
  default: string
  from: string
  known: boolean
  want?: string
  words?: string[]
  traits: ('secret' | 'restart' | 'file' | 'inert' | 'refused')[]
  meaning?: string
}

/** All settings of the server, with what they mean. */
export default function Settings(): JSX.Element {
  const [search, setSearch] = useState('')
  const [changed, setChanged] = useState(false)
  const [inert, setInert] = useState(false)
  const [editing, edit] = useState<Setting>()
  const all = useLoad((signal) => api.get<{ settings: Setting[] }>(['_node', '_local', '_settings'], {}, signal), [])
  const shown = useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean)
    return (all.value?.settings ?? []).filter((s) => {
      if (changed && s.from === 'default') return false
      if (!inert && s.from === 'default' && s.traits.some((t) => t === 'inert' || t === 'refused')) return false
      const text = `[${s.section}] ${s.name} ${s.meaning ?? ''}`.toLowerCase()
      return words.every((w) => text.includes(w))
    })
  }, [all.value, search, changed, inert])
  const sections = [...new Set(shown.map((s) => s.section))]
  return (
    <>
      <header><h1>Settings</h1></header>
      <div class="bar">
        <Field label="Search" bare type="search" placeholder="Search by name or meaning" value={search} onInput={setSearch} />
        <Tick label="Only what somebody has set" value={changed} onChange={setChanged} />
        <Tick label="Also what has no effect here" value={inert} onChange={setInert} />
      </div>
      <Trouble error={all.error} retry={all.reload} />
      {!all.value && !all.error && <Waiting />}
      {all.value && <p class="faint" role="status">{plural(shown.length, 'setting')}</p>}
      {all.value && shown.length === 0 && <Empty title="No setting is like that" />}
      {sections.map((section) => (
        <section key={section} class="settings-section">
          <h2 class="mono">[{section}]</h2>
          <ul>
            {shown.filter((s) => s.section === section).map((s) => (
              <li key={s.name}>
                <div class="settings-head">
                  <strong class="mono" dir="auto">{s.name === '*' ? 'any name' : s.name}</strong>
                  <code dir="auto" class={s.from === 'default' ? 'faint' : ''}>{s.value || '(empty)'}</code>
                  <Badges setting={s} />
                  {!s.traits.includes('file') && (
                    <Button kind="quiet" label={s.name === '*' ? `Set a name in ${section}` : `Change ${section} ${s.name}`} onClick={() => edit(s)}>{s.name === '*' ? 'Add' : 'Change'}</Button>
                  )}
                </div>
                {s.meaning && <p class="faint">{s.meaning}</p>}
              </li>
            ))}
          </ul>
        </section>
      ))}
      {editing && <Edit setting={editing} onClose={() => edit(undefined)} onDone={() => {
        edit(undefined)
        all.reload()
      }} />}
    </>
  )
}

function Badges({ setting: s }: { setting: Setting }): JSX.Element {
  return (
    <span class="row">
      {s.from !== 'default' && <span class="badge accent">{s.from}</span>}
      {s.traits.includes('restart') && <span class="badge">after a restart</span>}
      {s.traits.includes('file') && <span class="badge">in files only</span>}
      {s.traits.includes('inert') && <span class="badge">no effect here</span>}
      {!s.known && <span class="badge">unknown to the server</span>}
    </span>
  )
}

function Edit({ setting: s, onClose, onDone }: { setting: Setting; onClose: () => void; onDone: () => void }): JSX.Element {
  const secret = s.traits.includes('secret')
  const [name, setName] = useState(s.name === '*' ? '' : s.name)
  const [value, setValue] = useState(secret ? '' : s.value)
  const act = useAct()
  const error = act.error === undefined ? '' : api.words(act.error)
  const path = () => ['_node', '_local', '_config', s.section, name]
  const run = (does: (to: api.Sender) => Promise<unknown>, text: string) => act.run(async (to) => {
    await does(to)
    done(text)
    onDone()
  })
  const save = () => name && run((to) => to.send('PUT', path(), value), s.traits.includes('restart') ? `${name} counts after the next start` : `${name} is set`)
  const reset = () => run((to) => to.send('DELETE', path()), `${name} has its default again`)
  return (
    <Dialog title={`[${s.section}] ${s.name === '*' ? '' : s.name}`} onClose={onClose} onSubmit={save} actions={
      <>
        {s.from !== 'default' && s.name !== '*' && <Button onClick={() => void reset()} busy={act.busy}>Back to the default</Button>}
        <Button kind="primary" type="submit" busy={act.busy} disabled={!name}>Save</Button>
      </>
    }>
      {s.meaning && <p>{s.meaning}</p>}
      {s.name === '*' && <Field label="Name" value={name} onInput={setName} required />}
      {s.words ? (
        <Choice label="Value" value={value} onChange={setValue} options={[...new Set([value, ...s.words])].map((w) => [w, w || '(empty)'])} hint={error && <span class="error" role="alert">{error}</span>} />
      ) : (
        <Field label="Value" value={value} onInput={setValue} error={error} autofocus hint={s.want && `It must be ${s.want}.`} />
      )}
      {secret && <p class="faint">What it is now is shown to nobody.</p>}
      {s.from === 'command line' && <Notice kind="warning">A flag of the command sets it. A change here counts until the next start.</Notice>}
      <p class="faint">Default: <code dir="auto">{s.default || '(empty)'}</code></p>
    </Dialog>
  )
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { Num, Obj, parse, print, type Json } from '../../json'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { CopyText } from '../../parts/copy'
import { Dialog } from '../../parts/dialog'
import { Field } from '../../parts/field'
import { useTyped } from '../../parts/typed'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { done } from '../../parts/toast'
import { newPassword, prefix, rolesOf } from './user'

interface Props {
  db: string
  onClose: () => void
  onDone: () => void
}

/** A password to be set, or to be made. */
function Password({ label, value, onInput, hint }: { label: string; value: string; onInput: (v: string) => void; hint?: string }): JSX.Element {
  const [made, setMade] = useState('')
  const typed = useTyped()
  return (
    <>
      <div class="users-password">
        <Field label={label} type="password" value={value} onInput={onInput} autocomplete="new-password" hint={hint} />
        <Button onClick={() => {
          const p = newPassword()
          setMade(p)
          typed()
          onInput(p)
        }}>Make one</Button>
      </div>
      {made !== '' && made === value && <Notice>Write it down: <CopyText text={made} label="Copy the password" /></Notice>}
    </>
  )
}

/** Makes a user. */
export function Create({ db, onClose, onDone }: Props): JSX.Element {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [roles, setRoles] = useState('')
  const act = useAct()
  const create = () => act.run(async (to) => {
    await to.send('PUT', [db, prefix + name], { name, password, roles: rolesOf(roles), type: 'user' })
    done(`${name} can sign in now`)
    onDone()
  })
  const error = act.error instanceof api.Failure && act.error.status === 409 ? new Error('There is a user of that name already.') : act.error
  return (
    <Dialog title="New user" onClose={onClose} onSubmit={create} actions={<Button kind="primary" type="submit" busy={act.busy} disabled={!name || !password}>Create</Button>}>
      <Trouble error={error} />
      <Field label="Name" value={name} onInput={setName} required autofocus />
      <Password label="Password" value={password} onInput={setPassword} />
      <Field label="Roles" value={roles} onInput={setRoles} placeholder="editors, kitchen" hint="with commas between; databases let users in by name or by role" />
    </Dialog>
  )
}

/** Changes or removes a user. The document keeps everything that this screen does not know. */
export function Edit({ db, name, onClose, onDone }: Props & { name: string }): JSX.Element {
  const path = [db, prefix + name]
  const doc = useLoad(async (signal) => parse(await api.getText(path, {}, signal)) as Obj, [db, name])
  const [password, setPassword] = useState('')
  const [roles, setRoles] = useState<string>()
  const [removing, remove] = useState(false)
  const [typed, setTyped] = useState('')
  const act = useAct()
  const run = (does: (to: api.Sender) => Promise<unknown>, text: string) => act.run(async (to) => {
    await does(to)
    done(text)
    onDone()
  })
  const error = act.error instanceof api.Failure && act.error.status === 409 ? new Error('Somebody else has changed this user meanwhile. Close this and look again.') : act.error
  const had = doc.value?.get('roles')
  const before = Array.isArray(had) ? had.map((r) => (r instanceof Num ? r.text : String(r))).join(', ') : ''
  const now = roles ?? before
  const save = () => {
    const next = new Obj([...doc.value!.members])
    if (roles !== undefined) next.set('roles', rolesOf(now) as Json[])
    if (password) next.set('password', password)
    return run((to) => to.send('PUT', path, undefined, { body: print(next) }), `${name} is changed`)
  }
  if (removing) {
    return (
      <Dialog key="delete" title={`Delete ${name}?`} unsaved="" onClose={onClose} onSubmit={() => typed === name && run((to) => to.send('DELETE', path, undefined, { query: { rev: doc.value!.get('_rev') as string } }), `${name} is deleted`)} actions={
        <Button kind="danger" type="submit" busy={act.busy} disabled={typed !== name}>Delete</Button>
      }>
        <Trouble error={error} />
        <p>Nobody can sign in as <bdi>{name}</bdi> then, and the tokens of their devices end. Their databases and documents stay.</p>
        <Field label="Type the name" value={typed} onInput={setTyped} autofocus />
      </Dialog>
    )
  }
  return (
    <Dialog title={name} onClose={onClose} onSubmit={() => doc.value && save()} actions={
      <>
        <Button kind="danger" onClick={() => remove(true)} disabled={!doc.value}>Delete…</Button>
        <Button kind="primary" type="submit" busy={act.busy} disabled={!doc.value || (!password && roles === undefined)}>Save</Button>
      </>
    }>
      <Trouble error={error ?? doc.error} retry={doc.error ? doc.reload : undefined} />
      {!doc.value && !doc.error && <Waiting />}
      {doc.value && (
        <>
          <Field label="Roles" value={now} onInput={setRoles} hint="with commas between" />
          <Password label="New password" value={password} onInput={setPassword} hint="empty: it stays; a new one ends the tokens of the user's devices" />
        </>
      )}
    </Dialog>
  )
}

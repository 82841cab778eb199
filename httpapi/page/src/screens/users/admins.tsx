import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Field } from '../../parts/field'
import { Trouble } from '../../parts/notice'
import { done } from '../../parts/toast'
import { session } from '../../session'

/** The server's administrators, who are settings and no documents. */
export function Admins(): JSX.Element {
  const list = useLoad((signal) => api.get<Record<string, string>>(['_node', '_local', '_config', 'admins'], {}, signal), [])
  const [adding, add] = useState(false)
  const [removing, remove] = useState<string>()
  const names = Object.keys(list.value ?? {}).sort()
  return (
    <section class="stack" aria-labelledby="users-admins">
      <h2 id="users-admins">Administrators</h2>
      <p class="faint">They may do everything on this server.</p>
      <Trouble error={list.error} retry={list.reload} />
      <ul class="users-admins">
        {names.map((n) => (
          <li key={n}>
            <bdi>{n}</bdi>
            {n === session.value?.name ? <span class="faint">you</span> : <Button kind="quiet" label={`Remove the administrator ${n}`} onClick={() => remove(n)}>Remove</Button>}
          </li>
        ))}
      </ul>
      <div><Button onClick={() => add(true)}>New administrator</Button></div>
      {adding && <Add onClose={() => add(false)} onDone={() => {
        add(false)
        list.reload()
      }} />}
      {removing !== undefined && (
        <Remove name={removing} onClose={() => remove(undefined)} onDone={() => {
          remove(undefined)
          list.reload()
        }} />
      )}
    </section>
  )
}

function Add({ onClose, onDone }: { onClose: () => void; onDone: () => void }): JSX.Element {
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const act = useAct()
  const save = () => act.run(async (to) => {
    await to.send('PUT', ['_node', '_local', '_config', 'admins', name], password)
    done(`${name} is an administrator now`)
    onDone()
  })
  return (
    <Dialog title="New administrator" onClose={onClose} onSubmit={save} actions={<Button kind="primary" type="submit" busy={act.busy} disabled={!name || !password}>Create</Button>}>
      <Trouble error={act.error} />
      <Field label="Name" value={name} onInput={setName} autofocus required />
      <Field label="Password" type="password" value={password} onInput={setPassword} autocomplete="new-password" required />
    </Dialog>
  )
}

function Remove({ name, onClose, onDone }: { name: string; onClose: () => void; onDone: () => void }): JSX.Element {
  const act = useAct()
  return (
    <Dialog title={`Remove ${name}?`} onClose={onClose} actions={
      <Button kind="danger" busy={act.busy} onClick={() => void act.run(async (to) => {
        await to.send('DELETE', ['_node', '_local', '_config', 'admins', name])
        done(`${name} is no administrator any more`)
        onDone()
      })}>Remove</Button>
    }>
      <Trouble error={act.error} />
      <p><bdi>{name}</bdi> cannot sign in as an administrator any more.</p>
    </Dialog>
  )
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import { Failure, words } from '../../api'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Field } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { ended, guest, session, signIn, signOut } from '../../session'

// What both forms are made of.
function useForm(who: string) {
  const [name, setName] = useState(who)
  const [password, setPassword] = useState('')
  const act = useAct()
  const { busy, error } = act
  const submit = () => act.run((to) => signIn(to, name, password))
  const trouble = error !== undefined && <Notice kind="error">{error instanceof Failure && error.status === 401 ? 'The name or the password is wrong.' : words(error)}</Notice>
  return { name, setName, password, setPassword, busy, submit, trouble }
}

/** Asks the visitor to sign in again, above the screen, whose work waits. */
export function SignInAgain(): JSX.Element {
  const { name, password, setPassword, busy, submit, trouble } = useForm(session.value?.name ?? '')
  const act = useAct()
  return (
    <Dialog title="Your session has ended" unsaved="" onClose={() => (ended.value = false)} onSubmit={submit} actions={
      <>
        <Button busy={act.busy} onClick={() => void act.run(signOut)}>Sign out</Button>
        <Button kind="primary" type="submit" busy={busy}>Sign in</Button>
      </>
    }>
      {trouble}
      <Trouble error={act.error} />
      <p>Sign in as <bdi>{name}</bdi> again and go on. What you have written on this screen is still there; do once more what was refused.</p>
      <Field label="Password" type="password" value={password} onInput={setPassword} autocomplete="current-password" autofocus />
    </Dialog>
  )
}

/** Asks who the visitor is. */
export function SignIn(): JSX.Element {
  const printed = session.value?.printed
  const { name, setName, password, setPassword, busy, submit, trouble } = useForm(printed ?? '')
  return (
    <main class="signin">
      <form class="card stack" onSubmit={(e) => (e.preventDefault(), void submit())}>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" fill="var(--accent)" />
          <path d="M8 16.5l5.5 5.5L24 10.5" fill="none" stroke="var(--accent-text)" stroke-width="4" stroke-linecap="round" stroke-linejoin="round" />
        </svg>
        <h1>Sign in to tododb</h1>
        {trouble}
        {printed !== undefined && (
          <Notice>
            This server has started for the first time. It has made the administrator <code>{printed}</code> and printed the password once, where
            it was started: in the terminal, or in the log of its service.
          </Notice>
        )}
        <Field label="Name" value={name} onInput={setName} autocomplete="username" required autofocus />
        <Field label="Password" type="password" value={password} onInput={setPassword} autocomplete="current-password" />
        <Button type="submit" kind="primary" busy={busy}>Sign in</Button>
        {printed === undefined && (
          <details>
            <summary>Where do I find my password?</summary>
            <p>
              When a server starts for the first time and nobody has given it an administrator, it makes one that is called <code>admin</code> and
              prints the password where it was started: in the terminal, or in the log of its service. Sign in with it, and choose your own
              under “My account”. Other users ask who looks after the server.
            </p>
          </details>
        )}
        <Button kind="quiet" onClick={() => (guest.value = true)}>Look around without signing in</Button>
      </form>
    </main>
  )
}

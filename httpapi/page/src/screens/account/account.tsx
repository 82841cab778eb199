import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { Obj, parse, print } from '../../json'
import { Button } from '../../parts/button'
import { Field } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { done, failed } from '../../parts/toast'
import { mayLeave, useGuard } from '../../router'
import { isAdmin, session, signIn, signOut, type Session } from '../../session'

/** Who the visitor is, and their password. */
export default function Account(): JSX.Element {
  const who = session.value!
  const out = useAct(failed)
  if (who.name === null) return <><header><h1>My account</h1></header><Notice>You have not signed in.</Notice></>
  const how: Record<string, string> = { cookie: 'with this page, by a session', default: 'with each request, by your browser', proxy: 'by a proxy before the server', jwt: 'by a token' }
  return (
    <>
      <header>
        <h1>My account</h1>
        {who.by === 'cookie' && <Button busy={out.busy} onClick={() => mayLeave() && void out.run(signOut)}>Sign out</Button>}
      </header>
      <div class="settings">
        <section class="card">
          <dl class="facts">
            <dt>Name</dt><dd><bdi>{who.name}</bdi></dd>
            <dt>Roles</dt><dd class="row">{who.roles.length === 0 ? <span class="faint">none</span> : who.roles.map((r) => <bdi key={r} class={`badge ${r === '_admin' ? 'accent' : ''}`}>{r === '_admin' ? 'administrator of the server' : r}</bdi>)}</dd>
            <dt>Signed in</dt><dd>{how[who.by ?? ''] ?? who.by}</dd>
          </dl>
        </section>
        {who.printed === who.name && <Notice kind="warning">You still have the password that the server printed. Choose your own, and it is known to nobody else.</Notice>}
        <Password who={{ ...who, name: who.name }} />
      </div>
    </>
  )
}

const enough = 8 // characters below which a word of caution appears

function Password({ who }: { who: Session & { name: string } }): JSX.Element {
  const [old, setOld] = useState('')
  const [next, setNext] = useState('')
  const [again, setAgain] = useState('')
  const act = useAct()
  useGuard(old !== '' || next !== '' || again !== '', 'Your password is not changed.')
  const differ = again !== '' && again !== next
  const run = () => act.run(async (to) => {
    if (!next || next !== again) return
    await prove(to, who.name, old)
    await change(to, who, next)
    await signIn(to, who.name, next)
    setOld('')
    setNext('')
    setAgain('')
    done('Your password is changed. Other devices have to sign in again.')
  })
  return (
    <form class="card stack" onSubmit={(e) => (e.preventDefault(), void run())}>
      <h2>Change my password</h2>
      <input class="unseen" type="text" autocomplete="username" value={who.name} readOnly tabIndex={-1} aria-hidden="true" />
      <Trouble error={act.error} />
      <Field label="Present password" type="password" autocomplete="current-password" value={old} onInput={setOld} required />
      <Field label="New password" type="password" autocomplete="new-password" value={next} onInput={setNext} required hint={next !== '' && next.length < enough ? 'This one is short: three or four words are easy to remember and hard to guess.' : undefined} />
      <Field label="New password again" type="password" autocomplete="new-password" value={again} onInput={setAgain} required error={differ ? 'The two are not the same.' : undefined} />
      <div><Button type="submit" kind="primary" busy={act.busy} disabled={!old || !next || next !== again}>Change it</Button></div>
    </form>
  )
}

/** Checks the present password, so that nobody changes it on a screen left open. */
async function prove(to: api.Sender, name: string, password: string): Promise<void> {
  try {
    await to.send('POST', ['_session'], { name, password })
  } catch (e) {
    if (e instanceof api.Failure && e.status === 401) throw new Error('The present password is wrong.')
    throw e
  }
}

/** Users have a document; administrators of the server stand in its settings. */
async function change(to: api.Sender, who: Session & { name: string }, password: string): Promise<void> {
  const db = who.usersDB ?? '_users'
  const id = 'org.couchdb.user:' + who.name
  let source: string | undefined
  try {
    source = await api.getText([db, id])
  } catch (e) {
    if (!(e instanceof api.Failure)) throw e
    if (e.status === 403) throw new Error(`On this server only administrators change passwords, because they are the only members of the database ${db}. Ask one of them for a new password, or to let users in: [couchdb] users_db_security_editable = true, and then no role _admin among its members. Each user sees only their own document there.`)
    if (e.status !== 404) throw e
  }
  if (isAdmin.value) {
    const admins = await api.get<Record<string, string>>(['_node', '_local', '_config', 'admins'])
    if (who.name in admins || source === undefined) {
      await to.send('PUT', ['_node', '_local', '_config', 'admins', who.name], password)
      return
    }
  }
  if (source === undefined) throw new Error('The server does not keep your password, so it cannot be changed here.')
  const user = parse(source) as Obj
  user.set('password', password)
  await to.send('PUT', [db, id], undefined, { body: print(user) })
}

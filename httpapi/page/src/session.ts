// Who the visitor is to the server.
import { computed, signal } from '@preact/signals'
import * as api from './api'

export interface Session {
  /** null: nobody has signed in */
  name: string | null
  roles: string[]
  /** how they proved it: cookie, default (a name and password in each request), ... */
  by: string | undefined
  /** the database of the users; undefined if there is none */
  usersDB: string | undefined
  /** the administrator who still has the password that the server printed when it started */
  printed: string | undefined
}

/** undefined until the server has answered. */
export const session = signal<Session | undefined>(undefined)

/**
 * The session has ended by itself. Until the visitor has signed in again, session still has who they
 * were, and the screen stays with what they have written.
 */
export const ended = signal(false)

/** The visitor has chosen to look around without signing in. */
export const guest = signal(false)

export const isAdmin = computed(() => session.value?.roles.includes('_admin') ?? false)

interface Answer {
  userCtx: { name: string | null; roles: string[] }
  info: { authenticated?: string; authentication_db?: string; password_printed?: string }
}

/** Asks the server who the visitor is. */
export async function whoAmI(): Promise<void> {
  const a = await api.get<Answer>(['_session'])
  session.value = { name: a.userCtx.name, roles: a.userCtx.roles, by: a.info.authenticated, usersDB: a.info.authentication_db, printed: a.info.password_printed }
}

export async function signIn(to: api.Sender, name: string, password: string): Promise<void> {
  await to.send('POST', ['_session'], { name, password })
  guest.value = false
  await whoAmI()
  ended.value = false
}

export async function signOut(to: api.Sender): Promise<void> {
  await to.send('DELETE', ['_session'])
  guest.value = false
  await whoAmI()
  ended.value = false
}

api.writer.call = () => session.value?.name ?? undefined

// A session that has ended, or is another one's, shows in an answer.
api.onSignedOut.call = () => {
  if (!session.value?.name || ended.value) return
  api.get<Answer>(['_session']).then(
    (a) => (ended.value = a.userCtx.name !== session.value?.name),
    (e: unknown) => (ended.value = e instanceof api.Failure && e.status === 401),
  )
}

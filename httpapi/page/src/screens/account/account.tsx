import type { JSX } from 'preact'
import { session } from '../../session'

/** Who the visitor is. */
export default function Account(): JSX.Element {
  const who = session.value!
  return (
    <>
      <header><h1>My account</h1></header>
      <p>You are <strong dir="auto">{who.name ?? 'nobody: you have not signed in'}</strong>.</p>
    </>
  )
}

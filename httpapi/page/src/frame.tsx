// What is beside every screen: the links, who is here, light and dark, the name of the database.
import type { ComponentType, JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useAct } from './act'
import { link, match, mayLeave, place } from './router'
import { screens, type Screen, type ScreenProps } from './screens'
import { ended, guest, isAdmin, session, signOut, whoAmI } from './session'
import { theme, type Theme } from './theme'
import { lazy } from './parts/lazy'
import { Menu } from './parts/menu'
import { Empty, Trouble } from './parts/notice'
import { Waiting } from './parts/progress'
import { failed, Toasts } from './parts/toast'
import { SignIn, SignInAgain } from './screens/signin/signin'

const loaded = new Map<Screen, ComponentType<ScreenProps>>()

function componentOf(s: Screen): ComponentType<ScreenProps> {
  let c = loaded.get(s)
  if (!c) loaded.set(s, (c = lazy(s.load)))
  return c
}

/** Has the code of the screen at the present place loaded. */
export function loadSoon(): void {
  const s = screens.find((one) => match(one.path, place.value.segments))
  s?.load().catch(() => {}) // whoever shows it says so
}

/** The whole page. */
export function Page(): JSX.Element {
  const [error, set] = useState<unknown>(undefined)
  const ask = () => {
    set(undefined)
    whoAmI().catch(set)
  }
  useEffect(ask, [])
  const who = session.value
  if (!who) return (
    <div class="frame">
      <div class="side"><span class="brand"><span>tododb</span></span></div>
      <div class="main"><main class="screen">{error ? <Trouble error={error} retry={ask} /> : <Waiting />}</main></div>
    </div>
  )
  return (
    <>
      {who.name === null && !guest.value ? <SignIn /> : <Frame key={who.name /* nobody finds what another one has begun */} />}
      {ended.value && <SignInAgain />}
      <Toasts />
    </>
  )
}

function Frame(): JSX.Element {
  const { segments, query } = place.value
  let found: Screen | undefined
  let params: Record<string, string> = {}
  for (const s of screens) {
    const m = match(s.path, segments)
    if (m) {
      found = s
      params = m
      break
    }
  }
  const db = segments[0] === 'db' ? segments[1] : undefined
  const main = useRef<HTMLDivElement>(null)
  const first = useRef(true)
  const where = segments.join('/')
  useEffect(() => {
    document.title = [found?.title, db, 'tododb'].filter(Boolean).join(' · ')
    // On a narrow screen the links stand in a line that is longer than it.
    for (const l of document.querySelectorAll('nav > [aria-current]')) l.scrollIntoView({ block: 'nearest', inline: 'center' })
    // Who had the keyboard on something of the screen before goes on in this one.
    if (!first.current && document.activeElement === document.body) main.current?.querySelector<HTMLElement>('.screen')?.focus({ preventScroll: true })
    first.current = false
  }, [where])
  const C = found && componentOf(found)
  return (
    <div class="frame">
      <a class="skip" href={location.hash || '#/'} onClick={(e) => {
        e.preventDefault()
        main.current?.querySelector<HTMLElement>('.screen')?.focus()
      }}>Skip to the content</a>
      <Side current={found} db={db} />
      <div class="main" ref={main}>
        {db !== undefined && <Over db={db} current={found} />}
        <main class="screen" tabIndex={-1}>
          {found && !visible(found) ? <Empty title="Only administrators of the server see this"><a href="#/">All databases</a></Empty> : C ? <C key={where} params={params} query={query} /> : <Empty title="There is nothing at this address"><a href="#/">All databases</a></Empty>}
        </main>
      </div>
    </div>
  )
}

const visible = (s: Screen) => !s.adminOnly || isAdmin.value

function Side({ current, db }: { current: Screen | undefined; db: string | undefined }): JSX.Element {
  const who = session.value!
  const act = useAct(failed)
  return (
    <div class="side">
      <a class="brand" href="#/" aria-label="tododb: all databases">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" fill="var(--accent)" />
          <path d="M8 16.5l5.5 5.5L24 10.5" fill="none" stroke="var(--accent-text)" stroke-width="4" stroke-linecap="round" stroke-linejoin="round" />
        </svg>
        <span>tododb</span>
      </a>
      <nav aria-label="Server">
        {screens.filter((s) => s.section === 'server' && visible(s)).map((s) => (
          <a key={s.path} href={link(s.path.split('/').filter(Boolean))} aria-current={s === current || (s.path === '' && db !== undefined) ? 'page' : undefined}>{s.title}</a>
        ))}
      </nav>
      <div class="foot">
        <div class="who">
          {who.name === null ? <a href="#/" onClick={() => (guest.value = false)}>Sign in</a> : <a class="cut" href={link(['account'])} dir="auto" title="My account">{who.name}</a>}
          <Menu label="Colours and session" items={[
            ...(['system', 'light', 'dark'] as Theme[]).map((t) => ({ text: (theme.value === t ? '✓ ' : '') + { system: 'As the system', light: 'Light', dark: 'Dark' }[t], act: () => (theme.value = t) })),
            ...(who.name !== null && who.by === 'cookie' ? [{ text: 'Sign out', act: () => mayLeave() && void act.run(signOut) }] : []),
          ]}>⋯</Menu>
        </div>
      </div>
    </div>
  )
}

/** The name of a database and its tabs. */
function Over({ db, current }: { db: string; current: Screen | undefined }): JSX.Element {
  return (
    <div class="over">
      <div class="path"><a href="#/">Databases</a><span class="faint" aria-hidden="true">/</span><strong class="cut" dir="auto">{db}</strong></div>
      <nav class="tabs" aria-label="Database">
        {screens.filter((s) => s.section === 'database' && visible(s)).map((s) => (
          <a key={s.path} href={link(s.path.split('/').map((p) => (p === ':db' ? db : p)))} aria-current={s === current || s.path === current?.under ? 'page' : undefined}>{s.title}</a>
        ))}
      </nav>
    </div>
  )
}

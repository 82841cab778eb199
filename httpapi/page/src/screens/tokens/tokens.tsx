import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { CopyText } from '../../parts/copy'
import { Dialog } from '../../parts/dialog'
import { Choice, Field, Tick } from '../../parts/field'
import { lazy } from '../../parts/lazy'
import { Empty, Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { Table } from '../../parts/table'
import { Time } from '../../parts/time'
import { done } from '../../parts/toast'
import { isAdmin, session } from '../../session'

const QR = lazy(() => import('./qr'))

/** A token of a device, as the server tells of it. */
interface Token {
  id: string
  owner: string
  device?: string
  issued: string
  expires: string
  databases: string[]
  access: 'read' | 'read-write'
  id_prefix?: string
  selector?: unknown
}

/** The tokens with which devices come in. */
export default function Tokens(): JSX.Element {
  const [everybody, setEverybody] = useState(false)
  const [issuing, issue] = useState(false)
  const [ending, end] = useState<Token>()
  const act = useAct()
  const list = useLoad((signal) => api.get<{ tokens: Token[] }>(['_session', 'tokens'], everybody ? { all: 'true' } : {}, signal), [everybody])
  const tokens = list.value?.tokens ?? []
  return (
    <>
      <header>
        <h1>Device tokens</h1>
        {session.value?.name && <Button kind="primary" onClick={() => issue(true)}>New token</Button>}
      </header>
      <p class="faint">A device with a token needs no password. A token is for some databases, ends by itself, and can be revoked at any time.</p>
      {isAdmin.value && <div class="bar"><Tick label="Those of all users" value={everybody} onChange={setEverybody} /></div>}
      <Trouble error={list.error} retry={list.reload} />
      {!list.value && !list.error && <Waiting />}
      {list.value && tokens.length === 0 && <Empty title="There are no tokens" />}
      {tokens.length > 0 && (
        <Table<Token> label="Tokens" count={tokens.length} row={(i) => tokens[i]} rowKey={(t) => t.id} columns={[
          { title: 'Device', cell: (t) => <span dir="auto">{t.device || '–'}</span> },
          ...(everybody ? [{ title: 'Owner', cell: (t: Token) => <span dir="auto">{t.owner}</span> }] : []),
          { title: 'May', cell: (t) => <span title={t.databases.join(', ')} dir="auto">{t.access === 'read' ? 'read' : 'read and write'} {t.databases.join(', ')}{t.id_prefix ? `, ids from ${t.id_prefix}` : ''}{t.selector ? ', by selector' : ''}</span>, wideOnly: true },
          { title: 'Issued', width: '10.5rem', cell: (t) => <Time at={t.issued} />, wideOnly: true },
          { title: 'Ends', width: '8rem', cell: (t) => <Time at={t.expires} /> },
          { title: 'Revoke', bare: true, width: '7.5rem', align: 'end', cell: (t) => <Button kind="quiet" label={`Revoke the token of ${t.device || t.id}`} onClick={() => end(t)}>Revoke</Button> },
        ]} />
      )}
      {issuing && <Issue onClose={() => {
        issue(false)
        list.reload()
      }} />}
      {ending && (
        <Dialog title="Revoke this token?" onClose={() => (end(undefined), act.setError(undefined))} actions={
          <Button kind="danger" busy={act.busy} onClick={() => void act.run(async (to) => {
            await to.send('DELETE', ['_session', 'tokens', ending.id])
            end(undefined)
            done('The token is revoked')
            list.reload()
          })}>Revoke</Button>
        }>
          <Trouble error={act.error} />
          <p><bdi>{ending.device || ending.id}</bdi> of <bdi>{ending.owner}</bdi> is refused from now on. What it has stays on the device.</p>
        </Dialog>
      )}
    </>
  )
}

const day = 86_400

function Issue({ onClose }: { onClose: () => void }): JSX.Element {
  const [device, setDevice] = useState('')
  const [databases, setDatabases] = useState('')
  const [access, setAccess] = useState<'read' | 'read-write'>('read-write')
  const [prefix, setPrefix] = useState('')
  const [days, setDays] = useState<'1' | '7' | '30'>('30')
  const act = useAct()
  const [token, setToken] = useState('')
  const names = databases.split(',').map((s) => s.trim()).filter(Boolean)
  const issue = () => act.run(async (to) => {
    if (names.length === 0) throw new Error('Name at least one database.')
    const a = await to.send<{ token: string }>('POST', ['_session', 'tokens'], { device, databases: names, access, expires_in: Number(days) * day, ...(prefix ? { id_prefix: prefix } : {}) })
    setToken(a.token)
  })
  if (token) {
    const server = new URL(api.root, location.href).href
    const code = JSON.stringify({ url: server, databases: names, token })
    return (
      <Dialog key="token" title="The token" holds unsaved="The token is not shown again." onClose={onClose} actions={<Button kind="primary" onClick={onClose}>It is on the device</Button>}>
        <Notice kind="warning">It is shown only now. Who has it can use it until it ends.</Notice>
        <CopyText text={token} label="Copy the token" />
        <div class="tokens-code"><QR text={code} label="QR code with the address of the server, the databases and the token" /></div>
        <p class="faint">The code holds the server's address, the databases and the token, as JSON. A program sends the token with each request: <code>Authorization: Bearer TOKEN</code>.</p>
      </Dialog>
    )
  }
  return (
    <Dialog title="New token" onClose={onClose} onSubmit={issue} actions={<Button kind="primary" type="submit" busy={act.busy}>Make it</Button>}>
      <Field label="Device" value={device} onInput={setDevice} placeholder="Anna's phone" required autofocus hint="so that you find it again" />
      <Field label="Databases" value={databases} onInput={(v) => { setDatabases(v); act.setError(undefined) }} placeholder="notes, recipes" error={act.error === undefined ? undefined : api.words(act.error)} />
      <Choice label="It may" value={access} onChange={setAccess} options={[['read', 'read'], ['read-write', 'read and write']]} />
      <Field label="Only ids that begin with" value={prefix} onInput={setPrefix} hint="empty: all documents" />
      <Choice label="It ends after" value={days} onChange={setDays} options={[['1', 'a day'], ['7', 'a week'], ['30', '30 days']]} />
    </Dialog>
  )
}

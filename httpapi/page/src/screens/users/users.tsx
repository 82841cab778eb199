import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as api from '../../api'
import { plural } from '../../format'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Field } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { usePages } from '../../parts/pages'
import { Waiting } from '../../parts/progress'
import { Table } from '../../parts/table'
import { setQuery } from '../../router'
import type { ScreenProps } from '../../screens'
import { session } from '../../session'
import { Admins } from './admins'
import { Create, Edit } from './edit'
import { prefix, type User } from './user'

interface Rows {
  offset: number
  rows: { id: string; doc?: Record<string, unknown> }[]
}

/** Who may sign in. */
export default function Users({ query }: ScreenProps): JSX.Element {
  const db = session.value?.usersDB ?? '_users'
  const [search, setSearch] = useState(query.get('q') ?? '')
  const [creating, create] = useState(false)
  const [editing, edit] = useState<string>()
  const first = prefix + search
  const range = { startkey: JSON.stringify(first), endkey: JSON.stringify(first + '\u{10FFFF}') }
  // The number of users is what stands between two places, which the server counts without reading.
  const total = useLoad(async (signal) => {
    const at = async (key: string) => (await api.get<Rows>([db, '_all_docs'], { startkey: JSON.stringify(key), limit: 0 }, signal)).offset
    const [from, to] = await Promise.all([at(first), at(first + '\u{10FFFF}')])
    return to - from
  }, [db, first])
  const pages = usePages<User>(async (skip, limit, signal) => {
    const page = await api.get<Rows>([db, '_all_docs'], { ...range, skip, limit, include_docs: true }, signal)
    return page.rows.map(({ id, doc }) => ({ name: id.slice(prefix.length), roles: Array.isArray(doc?.roles) ? doc.roles.map(String) : [] }))
  }, [db, first])
  const again = () => {
    total.reload()
    pages.reload()
  }
  return (
    <>
      <header>
        <h1>Users</h1>
        <Button kind="primary" onClick={() => create(true)}>New user</Button>
      </header>
      <div class="bar">
        <Field label="Names that begin with" bare type="search" placeholder="Names that begin with" value={search} onInput={(v) => {
          setSearch(v)
          setQuery({ q: v })
        }} />
        {total.value !== undefined && <span class="faint" role="status">{plural(total.value, 'user')}</span>}
      </div>
      <Trouble error={total.error ?? pages.error} retry={again} />
      {total.value === undefined && !total.error && <Waiting />}
      {total.value === 0 && <Empty title={search ? 'Nobody is called so' : 'There are no users yet'} />}
      {!!total.value && (
        <Table<User> label="Users" count={total.value} row={pages.row} onVisible={pages.onVisible} rowKey={(u) => u.name} onOpen={(u) => edit(u.name)} columns={[
          { title: 'Name', cell: (u) => <bdi>{u.name}</bdi> },
          { title: 'Roles', cell: (u) => <span class="row">{u.roles.map((r) => <bdi key={r} class="badge">{r}</bdi>)}</span> },
        ]} />
      )}
      <Admins />
      {creating && <Create db={db} onClose={() => create(false)} onDone={() => {
        create(false)
        again()
      }} />}
      {editing !== undefined && <Edit db={db} name={editing} onClose={() => edit(undefined)} onDone={() => {
        edit(undefined)
        again()
      }} />}
    </>
  )
}

import type { JSX } from 'preact'
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { count, plural, rate, size } from '../../format'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Field, Tick } from '../../parts/field'
import { Empty, Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { Table, type Column } from '../../parts/table'
import { go, link } from '../../router'
import { isAdmin } from '../../session'
import { Create } from './create'
import { useFigures } from './figures'
import { useAnywhere, useNames, type Line, type Names } from './names'

/** All databases, with counts, sizes and how lively they are. */
export default function Databases(): JSX.Element {
  const [search, setSearch] = useState('')
  const [anywhere, setAnywhere] = useState(false)
  const [making, make] = useState(false)
  const prefix = useLoad(async (signal) => {
    if (!isAdmin.value) return 'userdb-'
    const set = await api.get<{ database_prefix?: string }>(['_node', '_local', '_config', 'couch_peruser'], {}, signal).catch(() => undefined)
    return set?.database_prefix || 'userdb-'
  }, [])
  return (
    <>
      <header>
        <h1>Databases</h1>
        {isAdmin.value && <Button kind="primary" onClick={() => make(true)}>New database</Button>}
      </header>
      <div class="bar">
        <Field label="Search databases" bare type="search" placeholder="Names that begin with …" value={search} onInput={setSearch} />
        <Tick label="Anywhere in the name" value={anywhere} onChange={setAnywhere} />
      </div>
      {prefix.value === undefined ? <Waiting /> : anywhere && search !== '' ? <Anywhere search={search} prefix={prefix.value} /> : <Ordered search={search} prefix={prefix.value} />}
      {making && <Create onClose={() => make(false)} />}
    </>
  )
}

interface Searched {
  search: string
  prefix: string
}

const Ordered = (p: Searched): JSX.Element => <List names={useNames(p.search, p.prefix)} search={p.search} />
const Anywhere = (p: Searched): JSX.Element => <List names={useAnywhere(p.search, p.prefix)} search={p.search} />

function List({ names, search }: { names: Names; search: string }): JSX.Element {
  const figures = useFigures(names.refresh)
  const seen = useRef<[number, number]>([0, 0])
  const onVisible = useCallback((from: number, to: number) => {
    seen.current = [from, to]
    names.onVisible(from, to)
  }, [names.onVisible])
  // Names that come later have their figures asked for then.
  const shown: string[] = []
  for (let i = seen.current[0]; i < seen.current[1]; i++) {
    const l = names.line(i)
    if (l?.kind === 'db') shown.push(l.name)
  }
  useEffect(() => figures.see(shown), [shown.join()])
  const toggle = useRef(names.toggle)
  toggle.current = names.toggle
  const columns = useMemo((): Column<Line>[] => {
    const figure = (l: Line, of: (f: NonNullable<ReturnType<typeof figures.of>>) => JSX.Element | string) => {
      const f = l.kind === 'db' ? figures.of(l.name) : undefined
      return f ? of(f) : ''
    }
    return [
      { title: 'Name', cell: (l) => (l.kind === 'fold' ? <button type="button" class="fold" aria-expanded={l.open} onClick={() => toggle.current()}>{l.open ? '▾' : '▸'} Users’ own databases</button> : <Name line={l} partitioned={figures.of(l.name)?.props.partitioned ?? false} />) },
      { title: 'Documents', align: 'end', width: '8rem', cell: (l) => (l.kind === 'fold' ? <span class="faint" title={plural(l.count, 'database')}>{count(l.count)}</span> : figure(l, (f) => count(f.doc_count))) },
      { title: 'Size', align: 'end', width: '7rem', wideOnly: true, cell: (l) => figure(l, (f) => size(f.sizes.file)) },
      { title: 'Updates', align: 'end', width: '7rem', wideOnly: true, cell: (l) => figure(l, (f) => (f.rate > 0 ? <span class="lively">{rate(f.rate)}</span> : <span class="faint">–</span>)) },
      { title: 'Settings', align: 'end', width: '3.5rem', bare: true, cell: (l) => (l.kind === 'db' ? <a class="gear" href={link(['db', l.name, 'security'])} tabIndex={-1} aria-label={`Settings of ${l.name}`} title="Settings">⚙</a> : '') },
    ]
  }, [])
  const forbidden = names.error instanceof api.Failure && (names.error.status === 401 || names.error.status === 403)
  if (forbidden) return <ByName />
  return (
    <>
      <Trouble error={names.error} retry={names.reload} />
      {!names.count ? (names.more || names.count === undefined ? !names.error && <Waiting /> : <Empty title={search ? 'No database is called so' : 'There is no database yet'} />) : (
        <Table<Line>
          key={search /* another list, from its beginning */}
          label="Databases"
          columns={columns}
          count={names.count}
          row={names.line}
          rowKey={(l) => (l.kind === 'db' ? l.name : '')}
          onVisible={onVisible}
          onOpen={(l) => (l.kind === 'db' ? go(['db', l.name, 'docs']) : names.toggle())}
        />
      )}
    </>
  )
}

function Name({ line, partitioned }: { line: Line & { kind: 'db' }; partitioned: boolean }): JSX.Element {
  return (
    <>
      <a href={link(['db', line.name, 'docs'])} tabIndex={-1} dir="auto">{line.name}</a>
      {line.user !== undefined && <bdi class="badge">{line.user}</bdi>}
      {partitioned && <span class="badge wide-only">partitioned</span>}
    </>
  )
}

/** For those who may use databases, but not list them. */
function ByName(): JSX.Element {
  const [name, set] = useState('')
  return (
    <form class="stack" onSubmit={(e) => (e.preventDefault(), name && go(['db', name, 'docs']))}>
      <Notice>Only administrators of the server see the list of all databases. You can open one by its name.</Notice>
      <div class="bar"><Field label="Name of the database" value={name} onInput={set} /><Button type="submit" kind="primary" disabled={!name}>Open</Button></div>
    </form>
  )
}

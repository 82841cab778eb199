import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as api from '../../api'
import { count, size } from '../../format'
import { useLoad } from '../../load'
import { Field } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { Table } from '../../parts/table'
import { link } from '../../router'

interface Info {
  doc_count: number
  sizes: { file: number; active: number }
}

/** All databases. */
export default function Databases(): JSX.Element {
  const [search, setSearch] = useState('')
  const names = useLoad((signal) => api.get<string[]>(['_all_dbs'], {}, signal), [])
  const shown = names.value?.filter((n) => n.includes(search)) ?? []
  return (
    <>
      <header><h1>Databases</h1></header>
      <div class="bar"><Field label="Search" bare type="search" placeholder="Search by name" value={search} onInput={setSearch} /></div>
      <Trouble error={names.error} retry={names.reload} />
      {shown.length === 0 && names.value ? <Empty title="There is no database here" /> : (
        <Table<string> label="Databases" count={shown.length} row={(i) => shown[i]} rowKey={(n) => n} onOpen={(n) => (location.hash = link(['db', n, 'docs']))} columns={[
          { title: 'Name', cell: (n) => <a href={link(['db', n, 'docs'])} tabIndex={-1} dir="auto">{n}</a> },
          { title: 'Documents', align: 'end', width: '8rem', cell: (n) => <DocCount name={n} /> },
        ]} />
      )}
    </>
  )
}

function DocCount({ name }: { name: string }): JSX.Element {
  const info = useLoad((signal) => api.get<Info>([name], {}, signal), [name])
  return <span>{info.value ? `${count(info.value.doc_count)}, ${size(info.value.sizes.file)}` : ''}</span>
}

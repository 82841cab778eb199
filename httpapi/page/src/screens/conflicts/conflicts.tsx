// The documents of a database that are in conflict, and the merge of one of them.
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as api from '../../api'
import { count, plural } from '../../format'
import { useAbort, useEvery, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Empty, Trouble } from '../../parts/notice'
import { usePages } from '../../parts/pages'
import { Waiting } from '../../parts/progress'
import { Table } from '../../parts/table'
import { failed } from '../../parts/toast'
import { go, link } from '../../router'
import type { ScreenProps } from '../../screens'
import { Merge, type Conflict } from './document'

interface Feed {
  results: Conflict[]
  last_seq: string
  pending: number
}

export default function Conflicts({ params, query }: ScreenProps): JSX.Element {
  const db = params.db!
  const id = query.get('id')
  const signal = useAbort()
  const feed = (q: api.Query) => api.get<Feed>([db, '_conflicts'], q, signal)
  const total = useLoad((s) => api.get<{ conflict_count: number }>([db], { conflict_count: true }, s).then((a) => a.conflict_count), [db])
  const pages = usePages<Conflict>(async (skip, limit, s) => (await api.get<Feed>([db, '_conflicts'], { skip, limit }, s)).results, [db])
  const [jump, setJump] = useState<{ index: number }>()
  const [said, say] = useState('') // what has become of the last document
  useEvery(15_000, total.refresh)

  const open = (next: string, text = '') => {
    say(text)
    go(['db', db, 'conflicts'], { id: next })
  }
  const close = () => go(['db', db, 'conflicts'])

  /** Where a document stands in the list; -1 if it is not in conflict. */
  const place = async (seq: string) => (await feed({ since: seq, limit: 0 })).pending

  const onNext = (c: Conflict | undefined, did?: string) => {
    const after = async () => {
      if (did) {
        total.reload()
        pages.reload()
      }
      const later = c ? (await feed({ since: c.seq, limit: 2 })).results : []
      const next = later.find((r) => r.id !== id) ?? (await feed({ limit: 2 })).results.find((r) => r.id !== id)
      if (next) return open(next.id, did && `${did}. This is the next one.`)
      say(did ?? (c ? 'This is the only document in conflict' : ''))
      if (did || !c) close()
    }
    after().catch((e: unknown) => !api.left(e) && failed(e))
  }
  const onPrevious = (c: Conflict | undefined) => {
    const before = async () => {
      if (!c || total.value === undefined) return
      const at = total.value - (await place(c.seq)) - 1
      const skip = at > 0 ? at - 1 : total.value - 1
      const row = (await feed({ skip, limit: 1 })).results[0]
      if (row) {
        setJump({ index: skip })
        open(row.id)
      }
    }
    before().catch((e: unknown) => !api.left(e) && failed(e))
  }

  if (total.error && total.value === undefined) return <Trouble error={total.error} retry={total.reload} />
  if (total.value === undefined) return <Waiting label="Looking for conflicts" />
  if (total.value === 0 && id === null) {
    return (
      <Empty title="No document is in conflict">
        {said && <p role="status">{said}.</p>}
        <p>When two people edit the same document while they are apart, it appears here with both edits, and what they began with.</p>
      </Empty>
    )
  }
  return (
    <div class={`cf ${id === null ? '' : 'one'}`}>
      <div class="cf-documents">
        <div class="row">
          <strong class="grow" role="status">{plural(total.value, 'document')} in conflict</strong>
          <Button kind="quiet" label="Look again" onClick={() => {
            total.reload()
            pages.reload()
          }}>↻</Button>
        </div>
        {total.value > 0 && (
          <Table<Conflict> label="Documents in conflict" count={total.value} row={pages.row} onVisible={pages.onVisible} rowKey={(c) => c.id} onOpen={(c) => open(c.id)} selected={(c) => c.id === id} jump={jump} columns={[
            { title: 'Document', cell: (c) => <bdi>{c.id}</bdi> },
            { title: 'Versions', cell: (c) => count(c.changes.length), width: '5.5rem', align: 'end' },
          ]} />
        )}
        <Trouble error={pages.error} retry={pages.reload} />
      </div>
      <div class="cf-one">
        {id !== null && <a class="cf-back" href={link(['db', db, 'conflicts'])}>All conflicts</a>}
        <p class="cf-said" role="status">{said}</p>
        {id === null ? (
          <Empty title="Choose a document">
            <p>Its versions stand side by side, with what they began with.</p>
            <Button kind="primary" onClick={() => onNext(undefined)}>Begin with the first</Button>
          </Empty>
        ) : <Merge key={id} db={db} id={id} onNext={onNext} onPrevious={onPrevious} />}
      </div>
    </div>
  )
}

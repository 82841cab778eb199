import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as api from '../../api'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Choice, Field } from '../../parts/field'
import { Waiting } from '../../parts/progress'
import { useLoad } from '../../load'
import { useAdminOf } from '../../rights'
import { go, mayLeave, setQuery } from '../../router'
import type { ScreenProps } from '../../screens'
import { ById } from './byid'
import { ByMango } from './bymango'
import { ByView } from './byview'

type Way = 'id' | 'view' | 'mango'

/** The documents of a database: by their ids, as a view has them, or as a Mango query finds them. */
export default function Documents({ params, query }: ScreenProps): JSX.Element {
  const db = params.db!
  const by = (query.get('by') ?? 'id') as Way
  const [making, make] = useState(false)
  const [, redraw] = useState(0) // so that the choice is again what it was
  return (
    <>
      <header class="bar">
        <h1 class="unseen">Documents</h1>
        <div class="field small">
          <Choice<Way> label="Listed" bare value={by} options={[['id', 'By id'], ['view', 'By view'], ['mango', 'By Mango']]} onChange={(v) => {
            if (mayLeave()) setQuery({ by: v === 'id' ? undefined : v, prefix: undefined })
            else redraw((n) => n + 1)
          }} />
        </div>
        <span class="push" />
        <Button kind="primary" onClick={() => make(true)}>New document</Button>
      </header>
      {by === 'view' ? <ByView db={db} query={query} /> : by === 'mango' ? <ByMango db={db} query={query} /> : <ById db={db} query={query} />}
      {making && <New db={db} onClose={() => make(false)} />}
    </>
  )
}

function New({ db, onClose }: { db: string; onClose: () => void }): JSX.Element {
  const uuid = useLoad(async (signal) => (await api.get<{ uuids: string[] }>(['_uuids'], {}, signal)).uuids[0]!, [])
  const info = useLoad((signal) => api.get<{ props?: { partitioned?: boolean } }>([db], {}, signal), [db])
  const [id, set] = useState<string>()
  const partitioned = info.value?.props?.partitioned ?? false
  const value = id ?? (partitioned ? 'partition:' : '') + (uuid.value ?? '')
  const may = useAdminOf(db) // only administrators write design documents
  const wrong = may === false && /^_design\/./.test(value) ? 'Only administrators of the database write design documents.' : value.startsWith('_') && !/^_(design|local)\/./.test(value) ? 'Only _design/… and _local/… begin with an underscore.' : partitioned && !/^[^:]+:./.test(value) && !value.startsWith('_') ? 'This database is partitioned: an id is PARTITION:NAME.' : undefined
  return (
    <Dialog title="New document" unsaved="" onClose={onClose} onSubmit={() => value && !wrong && go(['db', db, 'doc', value])} actions={<><Cancel /><Button kind="primary" type="submit" disabled={!value || !!wrong}>Write it</Button></>}>
      {uuid.loading || info.loading ? <Waiting /> : <Field label="Id" value={value} onInput={set} error={wrong} hint="Any text that tells it from all others. It cannot be changed later." autofocus />}
    </Dialog>
  )
}

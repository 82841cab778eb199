import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Field, Tick } from '../../parts/field'
import { done } from '../../parts/toast'
import { go } from '../../router'

/** Makes a database. */
export function Create({ onClose }: { onClose: () => void }): JSX.Element {
  const [name, setName] = useState('')
  const [partitioned, setPartitioned] = useState(false)
  const act = useAct()
  const refused = act.error instanceof api.Failure && act.error.status === 412 ? 'There is a database with this name already.' : act.error === undefined ? undefined : api.words(act.error)
  const wrong = name !== '' && !/^[a-z][a-z0-9_$()+/-]*$/.test(name) && !/^_(users|replicator|global_changes)$/.test(name) ? 'A name begins with a small letter, and has small letters, digits and _ $ ( ) + - / after it.' : undefined
  const run = () => act.run(async (to) => {
    if (!name || wrong) return
    await to.send('PUT', [name], undefined, { query: partitioned ? { partitioned: true } : {} })
    done(`Made the database ${name}.`)
    onClose()
    go(['db', name, 'docs'])
  })
  return (
    <Dialog title="New database" onClose={onClose} onSubmit={run} actions={<><Cancel /><Button kind="primary" type="submit" busy={act.busy} disabled={!name || !!wrong}>Create</Button></>}>
      <Field label="Name" value={name} onInput={(v) => (setName(v), act.setError(undefined))} error={wrong ?? refused} autofocus />
      <Tick label="Partitioned" value={partitioned} onChange={setPartitioned} hint="Every id begins with the name of a partition (PARTITION:NAME), and queries of one partition do not read the others. It cannot be changed later." />
    </Dialog>
  )
}

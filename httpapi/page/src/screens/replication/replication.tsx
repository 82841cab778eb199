import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { useEvery, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Field } from '../../parts/field'
import { Empty, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import type { ScreenProps } from '../../screens'
import { Card } from './card'
import { Form } from './form'
import { everything, type Item } from './model'
import { Rates } from './rates'

const step = 50 // of each kind

/** What replicates on this server, and with whom. */
export default function Replication(_: ScreenProps): JSX.Element {
  const [limit, setLimit] = useState(step)
  const [making, make] = useState(false)
  const [search, setSearch] = useState('')
  const rates = useRef(new Rates())
  const next = useRef(0) // when to look again; what takes the server long is asked for less often
  const all = useLoad(async (signal) => {
    const from = performance.now()
    try {
      const found = await everything(limit, signal)
      rates.current.add(found.items)
      return found
    } finally {
      next.current = performance.now() + Math.max(1800, 10 * (performance.now() - from))
    }
  }, [limit])
  useEvery(500, () => !all.loading && performance.now() > next.current && all.reload())
  const items = (all.value?.items ?? []).filter((i) => `${i.a}\n${i.b}\n${i.id}`.includes(search))
  const troubled = items.filter((i: Item) => i.state === 'retrying' || i.state === 'failed').length
  return (
    <>
      <header>
        <h1>Replication</h1>
        <Button kind="primary" onClick={() => make(true)}>New replication</Button>
      </header>
      {all.value && all.value.items.length > 0 && (
        <div class="bar">
          <Field label="Databases whose names contain" bare type="search" placeholder="Databases whose names contain …" value={search} onInput={setSearch} />
          <span class="faint" role="status">{items.length} shown{troubled > 0 && <>, <span class="error">{troubled} with an error</span></>}</span>
        </div>
      )}
      <Trouble error={all.error} retry={all.reload} />
      {!all.value && all.loading && <Waiting />}
      {all.value?.items.length === 0 && (
        <Empty title="Nothing is replicated yet">
          <p>A replication makes a database hold what another one holds; a synchronization does so in both directions.</p>
        </Empty>
      )}
      {items.length > 0 && <ul class="replications">{items.map((i) => <Card key={i.key} item={i} rates={rates.current} onChanged={all.reload} />)}</ul>}
      {all.value?.more && <div><Button onClick={() => setLimit(limit + step)}>Show more</Button></div>}
      {making && <Form onClose={() => make(false)} onStarted={() => {
        make(false)
        all.reload()
      }} />}
    </>
  )
}

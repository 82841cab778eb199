import type { JSX } from 'preact'
import * as api from '../../api'
import { count, plural } from '../../format'
import { useEvery, useLoad } from '../../load'
import { Dialog } from '../../parts/dialog'
import { Waiting } from '../../parts/progress'
import { Time } from '../../parts/time'
import type { Item } from './model'
import { inWords, shown } from './words'

interface Session {
  session_id: string
  start_time?: string
  end_time?: string
  docs_written?: number
  doc_write_failures?: number
}

const events: Record<string, string> = { added: 'asked for', started: 'started', stopped: 'stopped for others', crashed: 'failed' }

/** What has happened to a replication, and its runs as its checkpoint tells them. */
export function History({ item, name, onClose }: { item: Item; name: string; onClose: () => void }): JSX.Element {
  // Both sides keep the checkpoint as a local document. It is read on the side that is here.
  const db = item.kind === 'synchronization' ? item.db : [item.a, item.b].find((s) => s !== '' && !/^https?:/.test(s))
  const checkpoint = item.job?.replace(/\+.*/, '')
  const runs = useLoad(async (signal) => {
    if (!db || !checkpoint) return []
    try {
      return (await api.get<{ history?: Session[] }>([db, `_local/${checkpoint}`], {}, signal)).history ?? []
    } catch (e) {
      if (e instanceof api.Failure && e.status === 404) return []
      throw e
    }
  }, [db, checkpoint])
  useEvery(3000, runs.refresh) // a checkpoint may come while somebody looks
  return (
    <Dialog title="History" wide onClose={onClose}>
      <p class="faint" dir="auto">{name}</p>
      {!!item.runs && <p>{plural(item.runs, 'run has', 'runs have')} ended{item.finished && <>, the last one <Time at={item.finished} /></>}.</p>}
      {item.history.length > 0 && (
        <section>
          <h3>Since the server knows it</h3>
          <ol class="replication-events">
            {item.history.map((e, i) => (
              <li key={i}>
                <Time at={e.timestamp} /> <span class={e.type === 'crashed' ? 'error' : ''}>{events[e.type] ?? e.type}</span>
                {e.to !== undefined && !e.reason && <span class="faint" dir="auto">to {shown(e.to)}</span>}
                {e.reason && <span class="faint" dir="auto">{inWords(e.reason)} {e.reason}</span>}
              </li>
            ))}
          </ol>
        </section>
      )}
      {runs.loading && !runs.value && <Waiting />}
      {!!runs.value?.length && (
        <section>
          <h3>Runs that wrote a checkpoint</h3>
          <ol class="replication-events">
            {runs.value.map((s) => (
              <li key={s.session_id}>
                {s.start_time && <Time at={s.start_time} />} <span>{count(s.docs_written ?? 0)} written{s.doc_write_failures ? `, ${count(s.doc_write_failures)} refused` : ''}</span>
                {s.start_time && s.end_time && <span class="faint">{Math.max(0, Math.round((Date.parse(s.end_time) - Date.parse(s.start_time)) / 1000))} s long</span>}
              </li>
            ))}
          </ol>
        </section>
      )}
      {item.history.length === 0 && runs.value?.length === 0 && <p class="faint">{item.state === 'completed' ? `It is done: ${count(item.lanes[0]?.written ?? 0)} documents were written. The server keeps no events of what is over.` : 'Nothing has happened since the server started.'}</p>}
    </Dialog>
  )
}

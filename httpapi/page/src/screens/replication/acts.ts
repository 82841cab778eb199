// What can be done with a replication. Each is a request that any program can make.
import * as api from '../../api'
import { put, take } from '../../json'
import type { Item } from './model'

/** Stops it after its last checkpoint, or lets it go on. */
export async function pause(to: api.Sender, item: Item, paused: boolean): Promise<void> {
  if (item.kind === 'synchronization') await to.send('PUT', [item.db!, '_synchronizations', item.id], { paused })
  else await change(to, item, [['paused', String(paused)]])
}

/** Tries again at once, or runs it once more. */
export async function again(to: api.Sender, item: Item): Promise<void> {
  if (item.kind === 'synchronization') await to.send('PUT', [item.db!, '_synchronizations', item.id], { paused: false })
  else if (item.state === 'retrying' && item.job) await to.send('POST', ['_scheduler', 'jobs', item.job, '_retry'])
  else await change(to, item, [])
}

/** Ends it for good. The documents stay where they are. */
export async function end(to: api.Sender, item: Item): Promise<void> {
  if (item.kind === 'synchronization') await to.send('DELETE', [item.db!, '_synchronizations', item.id])
  else if (item.kind === 'request') await to.send('POST', ['_replicate'], { cancel: true, id: item.id })
  else {
    const doc = await api.get<{ _rev: string }>([item.db!, item.id])
    await to.send('DELETE', [item.db!, item.id], undefined, { query: { rev: doc._rev } })
  }
}

/** Writes the document again, without what the server has written into it: so it starts anew. */
async function change(to: api.Sender, item: Item, members: readonly (readonly [string, string])[]): Promise<void> {
  const text = await api.getText([item.db!, item.id])
  const { rest } = take(text, (name) => name.startsWith('_replication_') || members.some(([n]) => n === name))
  await to.send('PUT', [item.db!, item.id], undefined, { body: put(rest, members) })
}

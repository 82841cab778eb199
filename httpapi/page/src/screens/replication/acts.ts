// What can be done with a replication. Each is a request that any program can make.
import * as api from '../../api'
import { put, take } from '../../json'
import type { Item } from './model'

/** Stops it after its last checkpoint, or lets it go on. */
export async function pause(item: Item, paused: boolean): Promise<void> {
  if (item.kind === 'synchronization') await api.send('PUT', [item.db!, '_synchronizations', item.id], { paused })
  else await change(item, [['paused', String(paused)]])
}

/** Tries again at once, or runs it once more. */
export async function again(item: Item): Promise<void> {
  if (item.kind === 'synchronization') await api.send('PUT', [item.db!, '_synchronizations', item.id], { paused: false })
  else if (item.state === 'retrying' && item.job) await api.send('POST', ['_scheduler', 'jobs', item.job, '_retry'])
  else await change(item, [])
}

/** Ends it for good. The documents stay where they are. */
export async function end(item: Item): Promise<void> {
  if (item.kind === 'synchronization') await api.send('DELETE', [item.db!, '_synchronizations', item.id])
  else if (item.kind === 'request') await api.send('POST', ['_replicate'], { cancel: true, id: item.id })
  else {
    const doc = await api.get<{ _rev: string }>([item.db!, item.id])
    await api.send('DELETE', [item.db!, item.id], undefined, { query: { rev: doc._rev } })
  }
}

/** Writes the document again, without what the server has written into it: so it starts anew. */
async function change(item: Item, members: readonly (readonly [string, string])[]): Promise<void> {
  const text = await api.getText([item.db!, item.id])
  const { rest } = take(text, (name) => name.startsWith('_replication_') || members.some(([n]) => n === name))
  await api.ask('PUT', [item.db!, item.id], { body: put(rest, members) })
}

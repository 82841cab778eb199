import type { JSX } from 'preact'
import * as api from '../../api'
import { count, plural, size } from '../../format'
import { useEvery, useLoad } from '../../load'
import { Trouble } from '../../parts/notice'
import { Progress, Waiting } from '../../parts/progress'
import { Time } from '../../parts/time'
import { link } from '../../router'

/** A row of GET _active_tasks: each type has members of its own. */
interface Task {
  type: string
  pid?: string
  database?: string
  design_document?: string
  progress?: number
  started_on?: number
  changes_done?: number
  total_changes?: number
  source?: string
  target?: string
  docs_written?: number
  docs?: number
  bytes?: number
  [member: string]: unknown
}

const titles: Record<string, string> = {
  replication: 'Replication',
  indexer: 'Building an index',
  database_compaction: 'Compacting a database',
  view_compaction: 'Compacting an index',
  backup_server: 'Backing up the server',
  backup: 'Backing up a database',
  restore: 'Restoring a database',
  restore_from_backup: 'Restoring from a backup',
  expiry: 'Ending tombstones',
}

/** What the server is working at. */
export function Tasks(): JSX.Element {
  const tasks = useLoad((signal) => api.get<Task[]>(['_active_tasks'], {}, signal), [])
  useEvery(2000, tasks.refresh)
  // What went on when the server was heard of last is no answer to what goes on.
  if (tasks.error) return <Trouble error={tasks.error} retry={tasks.reload} />
  if (!tasks.value) return <Waiting />
  if (tasks.value.length === 0) return <p class="faint">Nothing but requests.</p>
  return (
    <ul class="operate-tasks">
      {tasks.value.map((t, i) => <li key={`${t.type} ${t.database ?? ''} ${t.pid ?? ''} ${i}`} class="card"><One task={t} /></li>)}
    </ul>
  )
}

function One({ task }: { task: Task }): JSX.Element {
  const title = titles[task.type] ?? task.type.replaceAll('_', ' ')
  const part = typeof task.progress === 'number' ? Math.min(1, task.progress / 100) : task.total_changes ? Math.min(1, (task.changes_done ?? 0) / task.total_changes) : undefined
  const facts = [
    task.docs_written !== undefined && `${plural(task.docs_written, 'document')} written`,
    task.docs !== undefined && plural(task.docs, 'document'),
    task.bytes !== undefined && size(task.bytes),
    task.total_changes !== undefined && `${count(task.changes_done ?? 0)} of ${count(task.total_changes)}`,
  ].filter(Boolean)
  return (
    <>
      <Progress label={title} part={part} />
      <div class="row faint">
        {task.database && <a href={link(['db', plainName(task.database), 'docs'])} dir="auto">{plainName(task.database)}</a>}
        {task.design_document && <span dir="auto">{task.design_document}</span>}
        {task.source && task.target && <span dir="auto">{task.source} → {task.target}</span>}
        {facts.length > 0 && <span>{facts.join(', ')}</span>}
        {task.started_on && <span>began <Time at={task.started_on} /></span>}
      </div>
    </>
  )
}

/** The name of a database without what CouchDB writes around it (shards/RANGE/NAME.SUFFIX). */
const plainName = (name: string) => /^shards\/[^/]+\/(.+)\.[0-9]+$/.exec(name)?.[1] ?? name

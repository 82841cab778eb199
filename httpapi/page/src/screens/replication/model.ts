// What replicates on this server: synchronizations, documents of _replicator, and what requests
// have asked for, as one list.
import * as api from '../../api'
import { seqNumber } from '../../format'

/** How far one direction has come. */
export interface Lane {
  from: string
  to: string
  written: number
  failures: number
  /** changes left at the source; undefined if it did not say */
  pending: number | undefined
  /** from 0 to 1; undefined if nobody knows */
  part: number | undefined
  /** when the last checkpoint was written */
  checkpoint?: string | undefined
}

export type State = 'running' | 'waiting' | 'retrying' | 'paused' | 'completed' | 'failed'

export interface Event {
  timestamp: string
  type: string
  reason?: string
  /** of a synchronization in both directions: which one */
  to?: string
}

export interface Item {
  key: string
  kind: 'synchronization' | 'document' | 'request'
  /** of the synchronization, or of the document */
  db: string | undefined
  /** of the synchronization or the document; of the job of a request */
  id: string
  /** the job's id, while there is one */
  job: string | undefined
  a: string
  b: string
  both: boolean
  continuous: boolean
  /** seconds between runs */
  every?: number | undefined
  state: State
  lanes: Lane[]
  error: string | undefined
  nextTry: string | undefined
  started: string | undefined
  finished: string | undefined
  runs: number | undefined
  /** newest first */
  history: Event[]
  /** ids of documents that are in conflict because of it */
  conflicts: string[]
  user: string | undefined
}

interface Counters {
  docs_written?: number
  doc_write_failures?: number
  changes_pending?: number | null
  source_seq?: string
  through_seq?: string
  error?: string
}

interface Job {
  id: string
  database: string | null
  doc_id: string | null
  user: string | null
  pid: string | null
  source: string
  target: string
  history: Event[]
  info: Counters | null
  start_time: string
  next_try?: string
}

interface Doc {
  database: string
  doc_id: string
  id: string | null
  state: string
  info: Counters | null
  start_time: string | null
  last_updated: string | null
  source: string | null
  target: string | null
  next_try?: string
}

interface Progress {
  docs_written: number
  doc_write_failures: number
  source_seq?: string
  changes_pending: number | null
  checkpointed_at?: string
}

interface Synchronization {
  id: string
  db: string
  remote: string
  direction: 'both' | 'pull' | 'push'
  continuous: boolean
  schedule: { every: number } | null
  owner: string
  state: State
  runs: number
  started: string | null
  finished: string | null
  next_try: string | null
  last_error: { direction: string; reason: string; at: string } | null
  pull?: Progress
  push?: Progress
  conflicts: { met: number; ids: string[] }
}

/** Everything that replicates, and whether there is more than limit of one kind. */
export async function everything(limit: number, signal: AbortSignal): Promise<{ items: Item[]; more: boolean }> {
  const [syncs, docs, jobs] = await Promise.all([
    api.get<{ total_rows: number; synchronizations: Synchronization[] }>(['_scheduler', 'synchronizations'], { limit }, signal),
    api.get<{ total_rows: number; docs: Doc[] }>(['_scheduler', 'docs'], { limit }, signal),
    api.get<{ total_rows: number; jobs: Job[] }>(['_scheduler', 'jobs'], { limit: limit * 3 }, signal),
  ])
  const of = new Map<string, Job[]>()
  for (const j of jobs.jobs) {
    const key = `${j.database ?? ''} ${j.doc_id ?? j.id}`
    of.set(key, [...(of.get(key) ?? []), j])
  }
  const taken = new Set<Job>()
  const jobsOf = (key: string) => {
    const found = of.get(key) ?? []
    for (const j of found) taken.add(j)
    return found
  }
  const items = [
    ...syncs.synchronizations.map((s) => ofSynchronization(s, jobsOf(`${s.db} _synchronizations/${s.id}`))),
    ...docs.docs.map((d) => ofDocument(d, jobsOf(`${d.database} ${d.doc_id}`)[0])),
  ]
  // The rest: requests, and documents of other users' _replicator databases.
  for (const j of jobs.jobs) if (!taken.has(j) && !j.doc_id?.startsWith('_synchronizations/')) items.push(ofJob(j))
  const order: Record<State, number> = { retrying: 0, failed: 0, running: 1, waiting: 2, paused: 3, completed: 4 }
  items.sort((x, y) => order[x.state] - order[y.state])
  return { items, more: syncs.total_rows > limit || docs.total_rows > limit || jobs.total_rows > 3 * limit }
}

const shared = { every: undefined, finished: undefined, runs: undefined, history: [], conflicts: [], user: undefined }

function ofSynchronization(s: Synchronization, jobs: Job[]): Item {
  const lane = (from: string, to: string, p: Progress | undefined, job: Job | undefined): Lane[] => {
    if (!p) return []
    const pending = p.changes_pending ?? undefined
    const at = seqNumber(p.source_seq)
    const part = pending === 0 ? 1 : pending !== undefined && at >= 0 ? at / (at + pending) : undefined
    return [{ from, to, written: p.docs_written, failures: p.doc_write_failures, pending, part: part ?? (job ? partOf(job.info) : undefined), checkpoint: p.checkpointed_at }]
  }
  const into = jobs.find((j) => j.target === s.db)
  const out = jobs.find((j) => j.source === s.db)
  return {
    ...shared, key: `s ${s.id}`, kind: 'synchronization', db: s.db, id: s.id, job: (into ?? out)?.id,
    a: s.direction === 'pull' ? s.remote : s.db, b: s.direction === 'pull' ? s.db : s.remote, both: s.direction === 'both',
    continuous: s.continuous, every: s.schedule?.every, state: s.state,
    lanes: [...lane(s.remote, s.db, s.pull, into), ...lane(s.db, s.remote, s.push, out)],
    error: s.state === 'retrying' || s.state === 'failed' ? s.last_error?.reason : undefined, nextTry: s.next_try ?? undefined,
    started: s.started ?? undefined, finished: s.finished ?? undefined, runs: s.runs,
    history: jobs.flatMap((j) => j.history.map((e) => (s.direction === 'both' ? { ...e, to: j.target } : e))).sort((x, y) => y.timestamp.localeCompare(x.timestamp)), conflicts: s.conflicts.ids, user: s.owner,
  }
}

function partOf(c: Counters | null): number | undefined {
  const all = seqNumber(c?.source_seq)
  const done = seqNumber(c?.through_seq)
  if (c?.changes_pending === 0) return 1
  return all > 0 && done >= 0 ? Math.min(1, done / all) : undefined
}

function laneOf(from: string, to: string, c: Counters | null): Lane {
  return { from, to, written: c?.docs_written ?? 0, failures: c?.doc_write_failures ?? 0, pending: c?.changes_pending ?? undefined, part: partOf(c) }
}

const states: Record<string, State> = { initializing: 'waiting', pending: 'waiting', running: 'running', crashing: 'retrying', error: 'retrying', paused: 'paused', completed: 'completed', failed: 'failed' }

function ofDocument(d: Doc, job: Job | undefined): Item {
  const [a, b] = [d.source ?? '', d.target ?? '']
  const state = states[d.state] ?? 'waiting'
  return {
    ...shared, key: `d ${d.database} ${d.doc_id}`, kind: 'document', db: d.database, id: d.doc_id, job: d.id ?? undefined, a, b, both: false,
    continuous: !!d.id && d.id.includes('+continuous'), state, lanes: [laneOf(a, b, d.info)], error: d.info?.error, nextTry: d.next_try,
    started: d.start_time ?? undefined, finished: state === 'completed' || state === 'failed' ? d.last_updated ?? undefined : undefined,
    history: job?.history ?? [], user: job?.user ?? undefined,
  }
}

function ofJob(j: Job): Item {
  const last = j.history[0]?.type
  const state: State = j.pid ? 'running' : last === 'crashed' ? 'retrying' : 'waiting'
  const document = j.doc_id !== null
  return {
    ...shared, key: `j ${j.id}`, kind: document ? 'document' : 'request', db: j.database ?? undefined, id: j.doc_id ?? j.id, job: j.id, a: j.source, b: j.target, both: false,
    continuous: j.id.includes('+continuous'), state, lanes: [laneOf(j.source, j.target, j.info)], error: j.info?.error, nextTry: j.next_try,
    started: j.start_time, history: j.history, user: j.user ?? undefined,
  }
}

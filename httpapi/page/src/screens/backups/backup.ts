// What the server says of its backups.
import type * as api from '../../api'

/** GET /_backups */
export interface State {
  target: string
  schedule: string
  error?: string
  next: string | null
  running: { began: string; database: string; databases_done: number; databases: number; documents: number; bytes: number } | null
  made: number
  last: Run[]
}

export interface Run {
  id?: string
  began: string
  ended: string
  error?: string
  databases: number
  documents: number
  stored_bytes: number
  total_bytes: number
  forgotten: number
}

/** A row of GET /_backups/_all. */
export interface Backup {
  id: string
  time: string
  own: boolean
  server?: string
  partial: boolean
  databases: number
  documents: number
  deleted: number
  failed: number
  stored_bytes: number
  total_bytes: number
}

export interface Backups {
  total: number
  encrypted: boolean
  readable: boolean
  damaged?: string
  backups: Backup[]
}

/** A database in a backup. */
export interface Kept {
  name: string
  documents: number
  deleted: number
  size_bytes: number
  time: string
  failed?: string
}

export interface Leaf {
  rev: string
  deleted: boolean
}

/** A document in a backup. */
export interface KeptDocument {
  id: string
  rev: string
  deleted: boolean
  leaves: Leaf[]
  revisions: number
}

/** A row of GET /_backups/_restores. */
export interface Restore {
  id: string
  backup: string
  db?: string
  as?: string
  all?: { missing: boolean; databases: number; databases_done: number; now?: string; replaced: number; replaced_names: string[] }
  doc_ids?: string[]
  dry_run: boolean
  state: 'running' | 'done' | 'failed' | 'stopped'
  started: string
  ended: string | null
  docs: number
  total_docs: number
  error: { error: string; reason: string } | null
}

export interface Order {
  db?: string
  all?: boolean
  /** Of all: only those that the server lacks. */
  missing?: boolean
  as?: string
  doc_ids?: string[]
  replace?: boolean
  dry_run?: boolean
}

/** Starts a restore. */
export const restore = (to: api.Sender, id: string, order: Order): Promise<{ id: string }> => to.send('POST', ['_backups', id, '_restore'], order)

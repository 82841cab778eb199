// A document as its screen has it: the members that people write apart from those that CouchDB keeps.
import * as api from '../../api'
import { pretty, put, take } from '../../json'

export interface Stub {
  name: string
  type: string
  /** bytes */
  length: number
  digest: string
}

export interface Doc {
  id: string
  /** undefined: it has never been saved */
  rev: string | undefined
  /** its members but the special ones, laid out; every value as it was written */
  text: string
  /** the source of _attachments; undefined: there are none */
  attachments: string | undefined
  stubs: Stub[]
  /** revisions of live leaves that did not win */
  conflicts: string[]
  deleted: boolean
}

// What a revision carries that is not its content.
const special = new Set(['_id', '_rev', '_attachments', '_revisions', '_revs_info', '_conflicts', '_deleted_conflicts', '_local_seq', '_deleted'])

/** Reads what the server has sent. */
export function read(source: string): Doc {
  const { rest, taken } = take(source, (name) => special.has(name))
  const known = <T>(name: string, other: T): T => (taken.has(name) ? (JSON.parse(taken.get(name)!) as T) : other)
  const atts = Object.entries(known<Record<string, { content_type?: string; length?: number; digest?: string }>>('_attachments', {}))
  return {
    id: known('_id', ''),
    rev: known<string | undefined>('_rev', undefined),
    text: pretty(rest),
    attachments: taken.get('_attachments'),
    stubs: atts.map(([name, a]) => ({ name, type: a.content_type ?? '', length: a.length ?? 0, digest: a.digest ?? '' })),
    conflicts: known('_conflicts', []),
    deleted: known('_deleted', false),
  }
}

/** Loads the winner, or one revision. */
export async function load(db: string, id: string, rev: string | undefined, signal?: AbortSignal): Promise<Doc> {
  return read(await api.getText([db, id], rev ? { rev } : { conflicts: true }, signal))
}

/** Saves a text over the revision that it was made from, and returns the new revision. */
export async function save(to: api.Sender, db: string, d: Pick<Doc, 'id' | 'rev' | 'attachments'>, text: string): Promise<string> {
  const body = d.attachments && d.rev ? put(text, [['_attachments', d.attachments]]) : text
  const res = await to.send<{ rev: string }>('PUT', [db, d.id], undefined, { query: { rev: d.rev }, body })
  return res.rev
}

/** The beginning of a revision, for people: 3-1a2b3c4d */
export const shortRev = (rev: string): string => rev.replace(/^(\d+-.{8}).*$/, '$1')

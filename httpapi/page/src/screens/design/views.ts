// What the screen knows of design documents.
import * as api from '../../api'
import { Obj, parse } from '../../json'

/** design documents that are listed */
export const most = 200

export interface View {
  name: string
  map: string
  reduce: string
}

export interface Design {
  /** without _design/ */
  name: string
  rev: string
  /** of a partitioned database: whether its views are asked within one partition */
  partitioned: boolean
  views: View[]
  /** how many other functions there are, by what they are: "filter function" */
  others: Record<string, number>
}

const groups: Record<string, string> = { filters: 'filter function', updates: 'update function', shows: 'show function', lists: 'list function' }

/** The design documents with views or other functions; those of Mango indexes are left out. */
export async function designsOf(db: string, signal: AbortSignal): Promise<{ designs: Design[]; more: boolean }> {
  const answer = parse(await api.getText([db, '_design_docs'], { include_docs: true, limit: most + 1 }, signal)) as Obj
  const rows = answer.get('rows') as Obj[]
  const designs = rows.slice(0, most).flatMap((row): Design[] => {
    const doc = row.get('doc')
    if (!(doc instanceof Obj) || doc.get('language') === 'query') return []
    return [designOf(doc)]
  })
  return { designs, more: rows.length > most }
}

/** A member that should be a text. */
export const textOf = (v: unknown): string => (typeof v === 'string' ? v : '')

function designOf(doc: Obj): Design {
  const views = doc.get('views')
  const others: Record<string, number> = {}
  for (const [group, what] of Object.entries(groups)) {
    const has = doc.get(group)
    if (has instanceof Obj && has.members.length > 0) others[what] = has.members.length
  }
  if (doc.has('validate_doc_update')) others['validation function'] = 1
  const options = doc.get('options')
  return {
    partitioned: !(options instanceof Obj && options.get('partitioned') === false),
    name: textOf(doc.get('_id')).slice('_design/'.length),
    rev: textOf(doc.get('_rev')),
    views: views instanceof Obj ? views.members.flatMap(([name, v]) => (name !== 'lib' && v instanceof Obj ? [{ name, map: textOf(v.get('map')), reduce: textOf(v.get('reduce')) }] : [])) : [],
    others,
  }
}

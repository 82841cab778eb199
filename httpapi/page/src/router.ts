// Where the visitor is: the part of the address after the #. Each segment is escaped, so that a
// document id with a slash is one segment.
import { signal } from '@preact/signals'

export interface Place {
  segments: string[]
  query: URLSearchParams
}

function read(): Place {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s)
  const segments = path.split('/').filter((s) => s !== '').map((s) => {
    try {
      return decodeURIComponent(s)
    } catch {
      return s
    }
  })
  return { segments, query: new URLSearchParams(query) }
}

// What is asked before the visitor leaves the place, and the place.
let asking: string | undefined
let before = location.hash

/** Tells whether the visitor may be taken from what they write: they are asked if some of it is not saved. */
export const mayLeave = (): boolean => asking === undefined || confirm(asking + ' Leave all the same?')

/** The present place. */
export const place = signal<Place>(read())
window.addEventListener('hashchange', () => {
  const path = (hash: string) => hash.split('?')[0]
  if (path(location.hash) !== path(before) && !mayLeave()) {
    history.replaceState(null, '', before)
    return
  }
  before = location.hash
  place.value = read()
})

/** The link to a place: `link(['db', name, 'docs'], {prefix: 'a'})`. */
export function link(segments: readonly string[], query?: Record<string, string | undefined>): string {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(query ?? {})) if (v !== undefined && v !== '') q.set(k, v)
  const tail = q.toString()
  return '#/' + segments.map(encodeURIComponent).join('/') + (tail ? '?' + tail : '')
}

/** Goes to a place, as if its link had been clicked. */
export function go(segments: readonly string[], query?: Record<string, string | undefined>): void {
  location.hash = link(segments, query)
}

/** Changes the query of the present place without a step in the browser's history. */
export function setQuery(query: Record<string, string | undefined>): void {
  history.replaceState(null, '', link(place.value.segments, { ...Object.fromEntries(place.value.query), ...query }))
  place.value = read()
}

/** The values of a path's :names if it fits the segments; null if not. */
export function match(path: string, segments: readonly string[]): Record<string, string> | null {
  const parts = path.split('/').filter((s) => s !== '')
  if (parts.length !== segments.length) return null
  const params: Record<string, string> = {}
  for (const [i, part] of parts.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = segments[i]!
    else if (part !== segments[i]) return null
  }
  return params
}

/** Asks before the visitor leaves the place, until the function that it returns is called. */
export function guard(sentence: string): () => void {
  asking = sentence
  return () => (asking = undefined)
}

window.addEventListener('beforeunload', (e) => asking !== undefined && e.preventDefault())

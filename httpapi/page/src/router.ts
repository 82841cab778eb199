// Where the visitor is: the part of the address after the #. Each segment is escaped, so that a
// document id with a slash is one segment.
import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

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
interface Guard {
  sentence: string
  of: readonly string[]
}
let asking: Guard | undefined
let before = location.hash

/** Tells whether the visitor may be taken from what they write: they are asked if some of it is not saved. */
export const mayLeave = (): boolean => asking === undefined || confirm(asking.sentence + ' Leave all the same?')

/** What a guard holds the visitor at: the path, and the parameters that it names. */
function heldAt(hash: string): string {
  const [path, query] = hash.split(/\?(.*)/s)
  const params = new URLSearchParams(query)
  return JSON.stringify([path, asking?.of.map((name) => params.get(name))])
}

/** The present place. */
export const place = signal<Place>(read())
window.addEventListener('hashchange', () => {
  if (heldAt(location.hash) !== heldAt(before) && !mayLeave()) {
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

/**
 * Asks before the visitor leaves the place, while something on it is not saved. With other values of these
 * parameters it is another place too. The function that it returns ends that at once, for who goes on by program.
 */
export function useGuard(unsaved: boolean, sentence: string, of: readonly string[] = []): () => void {
  const free = useRef(() => {})
  useEffect(() => {
    if (!unsaved) return
    const own = { sentence, of }
    asking = own
    free.current = () => {
      if (asking === own) asking = undefined
    }
    return free.current
  }, [unsaved])
  return () => free.current()
}

window.addEventListener('beforeunload', (e) => asking !== undefined && e.preventDefault())

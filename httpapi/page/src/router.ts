// Where the visitor is: the part of the address after the #. Each segment is escaped, so that a
// document id with a slash is one segment.
import { signal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'

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
// The newest is the last: a dialog above a screen has its own.
let guards: readonly Guard[] = []
let before = location.hash

const ask = (g: Guard | undefined): boolean => g === undefined || confirm(g.sentence + ' Leave all the same?')

/** Tells whether the visitor may be taken from what they write: they are asked if some of it is not saved. */
export const mayLeave = (): boolean => ask(guards.at(-1))

/** What the guards hold the visitor at: the path, and the parameters that they name. */
function heldAt(hash: string): string {
  const [path, query] = hash.split(/\?(.*)/s)
  const params = new URLSearchParams(query)
  return JSON.stringify([path, guards.flatMap((g) => g.of).map((name) => params.get(name))])
}

// Each place of the browser's history that is the page's has its number, so that after a refused step the
// visitor is taken back to where they were, and every place stays in the history once.
const numberOf = (): number | undefined => (history.state as { number?: number } | null)?.number
let number = numberOf() ?? 0
let returning = false
history.replaceState({ number }, '')

/** The present place. */
export const place = signal<Place>(read())
window.addEventListener('hashchange', () => {
  if (returning) {
    returning = false
    return
  }
  const to = numberOf() // a new place has none
  if (heldAt(location.hash) !== heldAt(before) && !mayLeave()) {
    returning = true
    history.go(to === undefined ? -1 : number - to)
    return
  }
  number = to ?? number + 1
  if (to === undefined) history.replaceState({ number }, '')
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

/** Goes to a place because what was at this one is deleted: nobody is asked whether to save it. */
export function abandon(segments: readonly string[]): void {
  guards = []
  go(segments)
}

/** Changes the query of the present place without a step in the browser's history. */
export function setQuery(query: Record<string, string | undefined>): void {
  history.replaceState({ number }, '', link(place.value.segments, { ...Object.fromEntries(place.value.query), ...query }))
  before = location.hash
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

/** What useGuard gives. */
export interface Held {
  /** Asks about this alone, before it is closed. */
  mayLeave: () => boolean
  /** Ends it at once, for who goes on by program. */
  free: () => void
}

/**
 * Asks before the visitor leaves the place, while something on it is not saved. With other values of these
 * parameters it is another place too.
 */
export function useGuard(unsaved: boolean, sentence: string, of: readonly string[] = []): Held {
  const own = useRef<Guard>(undefined)
  const free = () => {
    guards = guards.filter((g) => g !== own.current)
    own.current = undefined
  }
  // Not after the next paint, as other effects end: who closes a form goes on at once.
  useLayoutEffect(() => {
    if (!unsaved) return
    own.current = { sentence, of }
    guards = [...guards, own.current]
    return free
  }, [unsaved])
  return { mayLeave: () => ask(own.current), free }
}

window.addEventListener('beforeunload', (e) => guards.length > 0 && e.preventDefault())

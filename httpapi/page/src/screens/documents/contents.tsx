import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import * as api from '../../api'
import { take } from '../../json'

// The rows that are seen ask together, in one request for each moment.
interface Asked {
  id: string
  told: (text: string) => void
}
const waiting = new Map<string, Asked[]>() // by database
const known = new Map<string, string>() // by database, id and revision
const mostKnown = 500
const longest = 300 // characters that are shown

async function ask(db: string): Promise<void> {
  const asked = waiting.get(db)!
  waiting.delete(db)
  const res = await api.find([db, '_all_docs'], { query: { include_docs: true }, json: { keys: asked.map((a) => a.id) } })
  // Each row stands on a line of its own.
  let n = 0
  for (const line of (await res.text()).split('\n')) {
    const at = line.indexOf('"doc":')
    if (!line.startsWith('{"') || at < 0) {
      if (line.startsWith('{"key"') || line.startsWith('{"id"')) n++
      continue
    }
    const source = line.replace(/,?\r?$/, '').slice(at + 6, -1)
    const one = asked[n++]
    if (!one) break
    try {
      one.told(source === 'null' ? '' : take(source, (name) => name.startsWith('_')).rest.slice(0, longest))
    } catch {
      one.told('')
    }
  }
}

/** The beginning of a document's content, on one line. */
export function Contents({ db, id, rev }: { db: string; id: string; rev: string }): JSX.Element {
  const key = JSON.stringify([db, id, rev])
  const [text, set] = useState(known.get(key))
  useEffect(() => {
    const has = known.get(key)
    if (has !== undefined) return set(has)
    let here = true
    const told = (t: string) => {
      known.set(key, t)
      for (const old of known.keys()) {
        if (known.size <= mostKnown) break
        known.delete(old)
      }
      if (here) set(t)
    }
    const list = waiting.get(db)
    if (list) list.push({ id, told })
    else {
      waiting.set(db, [{ id, told }])
      setTimeout(() => void ask(db).catch(() => {}), 60)
    }
    return () => {
      here = false
    }
  }, [key])
  return <code class="faint" dir="auto">{text ?? ''}</code>
}

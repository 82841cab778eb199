// Counts, sizes and rates of the databases that are seen.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { seqNumber } from '../../format'
import { useAbort } from '../../load'
import { isAdmin } from '../../session'

export interface Figures {
  doc_count: number
  doc_del_count: number
  sizes: { file: number; active: number; external: number }
  update_seq: string
  props: { partitioned?: boolean }
  compact_running: boolean
  /** updates in a second, lately */
  rate: number
}

interface Known {
  info: Figures
  at: number // ms
}

const most = 100 // names in one request
const every = 2000 // ms between looks at a database that changes
const again = 3000 // ms until the server is asked again to tell what changes, after it has stopped

/**
 * Figures by name. They are asked for the names that are seen, and again for those that the server
 * says have changed. onOthers is called when databases were made or deleted.
 */
export function useFigures(onOthers: () => void): { of: (name: string) => Figures | undefined; see: (names: string[]) => void } {
  const known = useMemo(() => new Map<string, Known>(), [])
  const changed = useMemo(() => new Set<string>(), [])
  const seen = useRef<string[]>([])
  const [, redraw] = useState(0)
  const signal = useAbort()
  const asking = useRef(false)
  const others = useRef(false)
  const told = useRef(onOthers)
  told.current = onOthers

  const ask = async (names: string[]) => {
    if (names.length === 0 || asking.current) return
    asking.current = true
    try {
      for (let i = 0; i < names.length; i += most) {
        const rows = (await (await api.find(['_dbs_info'], { json: { keys: names.slice(i, i + most) }, signal })).json()) as { key: string; info?: Figures }[]
        const at = performance.now()
        for (const { key, info } of rows) {
          if (!info) continue
          const old = known.get(key)
          const step = old ? seqNumber(info.update_seq) - seqNumber(old.info.update_seq) : 0
          known.set(key, { info: { ...info, rate: old && step > 0 ? (step * 1000) / (at - old.at) : 0 }, at })
        }
      }
      redraw((n) => n + 1)
    } catch {
      // those who may not ask see no figures
    } finally {
      asking.current = false
    }
  }

  useEffect(() => {
    const t = setInterval(() => {
      if (document.hidden) return
      if (others.current) told.current()
      others.current = false
      // Those that changed, and those whose rate has to fall to nothing.
      const again = seen.current.filter((n) => changed.has(n) || (known.get(n)?.info.rate ?? 0) > 0)
      for (const n of again) changed.delete(n)
      void ask([...again, ...seen.current.filter((n) => !known.has(n))])
    }, every)
    return () => clearInterval(t)
  }, [])

  // The server tells administrators which databases change.
  useEffect(() => {
    if (!isAdmin.value) return
    const c = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const listen = async () => {
      try {
        for await (const line of api.lines(['_db_updates'], { query: { feed: 'continuous', since: 'now', heartbeat: 20_000 }, signal: c.signal })) {
          const { db_name: name, type } = JSON.parse(line) as { db_name?: string; type?: string }
          if (!name) continue
          if (type !== 'updated') others.current = true
          else if (known.has(name)) changed.add(name)
        }
      } catch {
        // the figures stand still until it comes again
      }
      if (c.signal.aborted) return
      timer = setTimeout(() => {
        // Nobody has told what happened meanwhile.
        others.current = true
        for (const name of known.keys()) changed.add(name)
        void listen()
      }, again)
    }
    void listen()
    return () => {
      clearTimeout(timer)
      c.abort()
    }
  }, [])

  return {
    of: (name) => known.get(name)?.info,
    see: (names) => {
      seen.current = names
      void ask(names.filter((n) => !known.has(n)))
    },
  }
}

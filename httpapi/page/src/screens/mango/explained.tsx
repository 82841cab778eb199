import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { count, plural } from '../../format'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { done, failed } from '../../parts/toast'
import type { Index } from './mango'

/** What POST _explain answers, as far as it is used here. */
export interface Plan {
  index: Index
  union?: { index: Index }[]
  limit: number
  skip: number
  covering: boolean
  selector_hints?: { indexable_fields: string[]; unindexable_fields: string[]; ranges?: number }[]
  mrargs?: { start_key: unknown; end_key: unknown; direction: string }
}

/** execution_stats of a _find. */
export interface Stats {
  total_keys_examined: number
  total_docs_examined: number
  results_returned: number
  execution_time_ms: number
}

/** A plan as a sentence, and as a picture of what is read. */
export function Explained({ db, may, plan, stats, onIndexed }: { db: string; may: boolean; plan: Plan; stats: Stats | undefined; onIndexed: () => void }): JSX.Element {
  const info = useLoad((signal) => api.get<{ doc_count: number }>([db], {}, signal), [db, plan])
  const act = useAct(failed)
  const scan = plan.index.type === 'special'
  const all = info.value?.doc_count
  const wanted = [...new Set(plan.selector_hints?.flatMap((h) => (h.ranges ? [...h.indexable_fields, ...h.unindexable_fields] : h.indexable_fields)) ?? [])]
  const used = plan.union ? plan.union.map((u) => u.index) : [plan.index]
  const ranges = plan.selector_hints?.find((h) => h.ranges !== undefined)?.ranges
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => box.current!.scrollIntoView({ block: 'nearest' }), [plan, stats]) // on a phone it stands below the window
  const suggest = scan && wanted.length > 0
  const index = () => act.run(async (to) => {
    const a = await to.send<{ name: string }>('POST', [db, '_index'], { index: { fields: wanted } })
    done(`The index ${a.name} is there`)
    onIndexed()
  })
  return (
    <div ref={box} class="card stack" aria-live="polite">
      <p class="mango-sentence">{sentence(plan, used, ranges, all)}</p>
      {suggest && (
        <div class="row">
          <span>An index by <bdi class="mono">{wanted.join(', ')}</bdi> would read only what matches.</span>
          {may && <Button onClick={() => void index()} busy={act.busy}>Make it</Button>}
        </div>
      )}
      {stats && all !== undefined && <Read stats={stats} all={all} />}
      {!scan && plan.mrargs && <Range plan={plan} />}
    </div>
  )
}

function sentence(plan: Plan, used: Index[], ranges: number | undefined, all: number | undefined): JSX.Element {
  const fields = (i: Index) => i.def.fields.map((f) => Object.keys(f).join()).join(', ')
  if (plan.index.type === 'special' && !plan.union) {
    return <>It reads {all === undefined ? 'all documents' : <strong>{all === 1 ? 'the one document' : `all ${count(all)} documents`}</strong>} in the order of their ids{all !== undefined ? ', until enough of them match' : ''}: no index can serve.</>
  }
  return (
    <>
      It reads {ranges === undefined || ranges === 1 ? 'one range' : <strong>{plural(ranges, 'range')}</strong>} of{' '}
      {used.map((i, n) => <span key={n}>{n > 0 && ', then '}{i.type === 'special' ? 'all documents' : <>the index <strong dir="auto">{i.name}</strong> (by <bdi class="mono">{fields(i)}</bdi>)</>}</span>)}
      {plan.mrargs?.direction === 'rev' ? ' from its end' : ''}
      {plan.covering ? ', and no document: the index has all that is asked for.' : ', and the documents that these rows lead to.'}
      {plan.skip > 0 ? ` The first ${plan.skip} are left out.` : ''} It gives at most {plan.limit}.
    </>
  )
}

/** Bars of what was read: rows of the index, documents, results, each beside all documents. */
function Read({ stats, all }: { stats: Stats; all: number }): JSX.Element {
  const bars: [string, number][] = [['rows of the index', stats.total_keys_examined], ['documents read', stats.total_docs_examined], ['documents found', stats.results_returned]]
  const whole = Math.max(all, 1, ...bars.map((b) => b[1]))
  return (
    <div class="mango-bars">
      {[['all documents', all] as [string, number], ...bars].map(([name, n]) => (
        <div key={name} class="mango-bar">
          <span>{name}</span>
          <span class="bar-box" role="img" aria-label={`${name}: ${count(n)}`}><span style={{ width: `${Math.max(n > 0 ? 0.5 : 0, (100 * n) / whole)}%` }} /></span>
          <span class="number">{count(n)}</span>
        </div>
      ))}
      <p class="faint">{stats.execution_time_ms.toPrecision(3)} ms</p>
    </div>
  )
}

/** Where in the order of the index the reading begins and ends. */
function Range({ plan }: { plan: Plan }): JSX.Element | null {
  const { start_key: from, end_key: to } = plan.mrargs!
  const shown = (key: unknown, open: string) => {
    const text = Array.isArray(key) ? key.filter((k) => k !== '<MAX>').map((k) => JSON.stringify(k)).join(', ') : JSON.stringify(key)
    return text === '' || text === 'null' || text === '"<MAX>"' ? open : text
  }
  return (
    <div class="mango-range" role="img" aria-label={`It reads from ${shown(from, 'the beginning')} to ${shown(to, 'the end')}`}>
      <span class="mango-outside" /><span class="mango-inside"><code dir="auto">{shown(from, 'the beginning')}</code> … <code dir="auto">{shown(to, 'the end')}</code></span><span class="mango-outside" />
    </div>
  )
}

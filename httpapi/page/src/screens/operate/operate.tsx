import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as api from '../../api'
import { useEvery, useLoad } from '../../load'
import { Notice } from '../../parts/notice'
import { Figures } from './figures'
import { Health } from './health'
import { Log } from './log'
import { Processes, type Process } from './processes'
import { Tasks } from './tasks'

/** How the server is, what it is doing, and what it said. */
export default function Operate(): JSX.Element {
  // A process that shares no storage does not tell of processes.
  const members = useLoad((signal) => api.get<{ processes?: Process[] }>(['_membership'], {}, signal), [])
  useEvery(5000, () => several && members.refresh())
  const [chosen, choose] = useState<string>()
  const all = members.value?.processes
  const several = useRefOnce(all) !== undefined
  const first = useRefOnce(all?.find((p) => p.self)?.node ?? all?.[0]?.node)
  // When the others have gone, the one that is left tells of itself alone.
  const gone = several && !all && members.value !== undefined ? chosen : undefined
  const node = all || !several ? chosen ?? first ?? '_local' : '_local'
  const known = members.value !== undefined || members.error !== undefined
  const of = all && all.length > 1 ? ` of ${node.replace(/^tododb@/, '')}` : ''
  return (
    <>
      <header><h1>Operate</h1></header>
      {all && (
        <section class="stack" aria-labelledby="operate-processes">
          <h2 id="operate-processes">Processes</h2>
          <Processes all={all} node={node} choose={choose} />
        </section>
      )}
      {gone !== undefined && <Notice kind="warning">The process <bdi>{gone.replace(/^tododb@/, '')}</bdi> is not there any more. What stands here is of the one that answers.</Notice>}
      <section class="stack" aria-labelledby="operate-tasks">
        <h2 id="operate-tasks">What is going on</h2>
        <Tasks />
      </section>
      <section class="stack" aria-labelledby="operate-figures">
        <h2 id="operate-figures">The last hour{of}</h2>
        {known && <Figures key={node} node={node} />}
      </section>
      <section class="stack" aria-labelledby="operate-health">
        <h2 id="operate-health">Health{all && all.length > 1 ? ' of the process that answers' : ''}</h2>
        <Health />
      </section>
      <section class="stack" aria-labelledby="operate-log">
        <h2 id="operate-log">The log{of}</h2>
        {known && <Log key={node} node={node} />}
      </section>
    </>
  )
}

/** The first value that is known: a load balancer may have another process answer each time. */
function useRefOnce<T>(value: T | undefined): T | undefined {
  const [kept, keep] = useState<T>()
  if (kept === undefined && value !== undefined) keep(value)
  return kept ?? value
}

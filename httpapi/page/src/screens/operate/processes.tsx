import type { JSX } from 'preact'
import { Button } from '../../parts/button'
import { Notice } from '../../parts/notice'
import { Time } from '../../parts/time'
import { plural } from '../../format'

/** One of the processes that share a storage, as GET _membership has it. */
export interface Process {
  node: string
  /** ISO 8601 */
  started: string
  /** it gave the answer */
  self: boolean
}

interface ProcessesProps {
  all: Process[]
  /** whose figures and log are shown */
  node: string
  choose: (node: string) => void
}

/** The processes of a server that has several. */
export function Processes({ all, node, choose }: ProcessesProps): JSX.Element {
  return (
    <>
      <p class="faint">{plural(all.length, 'process', 'processes')} share this storage. What is going on is told of all of them; figures and the log are those of the one that is shown.</p>
      <ul class="operate-tasks">
        {all.map((p) => (
          <li key={p.node} class="card row">
            <strong class="grow" dir="auto">{p.node.replace(/^tododb@/, '')}</strong>
            {p.self && <span class="badge accent" title="The one that a load balancer may have chosen for this request">answers here</span>}
            <span class="faint">since <Time at={p.started} /></span>
            <Button pressed={p.node === node} label={`Show the figures and the log of ${p.node.replace(/^tododb@/, '')}`} onClick={() => choose(p.node)}>{p.node === node ? 'Shown' : 'Show'}</Button>
          </li>
        ))}
      </ul>
      {!all.some((p) => p.node === node) && <Notice kind="warning">The process <bdi>{node.replace(/^tododb@/, '')}</bdi> is not there any more. Choose another one.</Notice>}
    </>
  )
}

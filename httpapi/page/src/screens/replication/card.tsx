import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct, type Act } from '../../act'
import { count, plural, rate } from '../../format'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Notice } from '../../parts/notice'
import { Plot } from '../../parts/plot'
import { Progress } from '../../parts/progress'
import { Time } from '../../parts/time'
import { done, failed } from '../../parts/toast'
import { link } from '../../router'
import { again, end, pause } from './acts'
import { History } from './history'
import type { Item, Lane, State } from './model'
import type { Rates } from './rates'
import { every, inWords, shown } from './words'

const states: Record<State, [word: string, look: string]> = {
  running: ['running', 'good'], waiting: ['waiting', ''], retrying: ['failed, will try again', 'danger'],
  paused: ['paused', 'warning'], completed: ['done', 'accent'], failed: ['failed', 'danger'],
}

/** One replication: what it is, how far it is, what can be done with it. */
export function Card({ item, rates, onChanged }: { item: Item; rates: Rates | undefined; onChanged: () => void }): JSX.Element {
  const act = useAct(failed)
  const [ending, setEnding] = useState(false)
  const [past, setPast] = useState(false)
  const name = `${shown(item.a)} ${item.both ? 'and' : 'to'} ${shown(item.b)}`
  const run = (does: Parameters<Act['run']>[0], said: string) => act.run(async (to) => {
    try {
      await does(to)
      done(said)
    } finally {
      onChanged()
    }
  })
  const [word, look] = states[item.state]
  const idle = item.state === 'running' && item.continuous && item.lanes.every((l) => l.pending === 0)
  const finished = item.state === 'completed' || item.state === 'failed'
  const stops = item.kind === 'request' ? 'Stop' : 'Delete'
  return (
    <li class="card replication">
      <div class="replication-head">
        <h2><bdi>{shown(item.a)}</bdi> <span class="arrow" aria-label={item.both ? 'in both directions with' : 'to'} role="img">{item.both ? '⇄' : '→'}</span> <bdi>{shown(item.b)}</bdi></h2>
        <span class={`badge ${look}`}>{idle ? 'up to date' : word}</span>
      </div>
      <div class="row faint">
        <span>{item.kind === 'synchronization' ? 'Synchronization' : item.kind === 'document' ? <>Document <bdi>{item.id}</bdi>{item.db !== '_replicator' && <> of <bdi>{item.db}</bdi></>}</> : 'Asked for by a request'}</span>
        <span>{item.every !== undefined ? `every ${every(item.every)}` : item.continuous ? 'always' : finished || item.kind !== 'document' || item.job ? 'once' : ''}</span>
        {item.started && <span>{finished && item.finished ? <>ended <Time at={item.finished} /></> : <>began <Time at={item.started} /></>}</span>}
        {item.user && <span>by <bdi>{item.user}</bdi></span>}
      </div>
      {item.error && (
        <Notice kind="error">
          {inWords(item.error) ?? item.error}
          {item.nextTry && <> The next try is <Time at={item.nextTry} />.</>}
          {inWords(item.error) && <div class="replication-raw" dir="auto">{item.error}</div>}
        </Notice>
      )}
      {!item.error && item.nextTry && item.state === 'waiting' && <p class="faint">The next run is <Time at={item.nextTry} />.</p>}
      <div class="replication-lanes">
        {item.lanes.map((l) => <OneLane key={l.from} lane={l} both={item.both} state={item.state} quiet={item.state === 'running' && !item.error && !!item.started && Date.now() - Date.parse(item.started) > 5000} rates={rates?.of(item.key + l.from)} />)}
      </div>
      {item.conflicts.length > 0 && item.db && (
        <Notice kind="warning">
          {plural(item.conflicts.length, 'document is', 'documents are')} in conflict: {item.conflicts.slice(0, 5).map((id, i) => <span key={id}>{i > 0 && ', '}<a href={link(['db', item.db!, 'conflicts'], { id })} dir="auto">{id}</a></span>)}{item.conflicts.length > 5 && ' …'}
        </Notice>
      )}
      <div class="row">
        {item.kind !== 'request' && !finished && (item.state === 'paused'
          ? <Button busy={act.busy} label={`Go on with ${name}`} onClick={() => void run((to) => pause(to, item, false), 'It goes on.')}>Go on</Button>
          : <Button busy={act.busy} label={`Pause ${name}`} onClick={() => void run((to) => pause(to, item, true), 'It is paused.')}>Pause</Button>)}
        {(item.state === 'retrying' || (item.kind === 'synchronization' && item.state === 'waiting' && item.nextTry)) && <Button busy={act.busy} label={`Try ${name} now`} onClick={() => void run((to) => again(to, item), 'It tries again.')}>Try now</Button>}
        {finished && item.kind !== 'request' && <Button busy={act.busy} label={`Run ${name} again`} onClick={() => void run((to) => again(to, item), 'It runs again.')}>Run again</Button>}
        <Button label={`History of ${name}`} onClick={() => setPast(true)}>History</Button>
        <Button kind="danger" busy={act.busy} label={`${stops} ${name}`} onClick={() => setEnding(true)}>{stops}</Button>
        {item.kind === 'request' && <span class="faint">A request has no pause: stop it, and ask again later.</span>}
      </div>
      {past && <History item={item} name={name} onClose={() => setPast(false)} />}
      {ending && (
        <Dialog title={`${stops} this replication?`} onClose={() => setEnding(false)} actions={<><Cancel>Keep it</Cancel><Button kind="danger" onClick={() => {
          setEnding(false)
          void run((to) => end(to, item), item.kind === 'request' ? 'It is stopped.' : 'It is deleted.')
        }}>{stops} it</Button></>}>
          <p dir="auto">{name}</p>
          <p>The documents stay where they are. What is written from now on stays on its own side.</p>
        </Dialog>
      )}
    </li>
  )
}

function OneLane({ lane, both, state, quiet, rates }: { lane: Lane; both: boolean; state: State; quiet: boolean; rates: { times: number[]; values: number[] } | undefined }): JSX.Element {
  // A source that has never had a change says nothing of what is left.
  const none = quiet && lane.pending === undefined && lane.written === 0
  const lag = none ? 'no changes yet' : lane.pending === undefined ? '' : lane.pending === 0 ? 'nothing left' : `${plural(lane.pending, 'change')} behind`
  const going = state === 'running' || state === 'retrying' || state === 'waiting'
  return (
    <div class="replication-lane">
      <div>
        <Progress label={both ? `to ${shown(lane.to)}` : 'Documents'} part={going || state === 'paused' ? lane.part ?? (state === 'running' && !none ? undefined : 0) : 1} note={lag || undefined} />
        <div class="row faint number">
          <span>{count(lane.written)} written</span>
          {lane.failures > 0 && <span class="error">{count(lane.failures)} refused</span>}
          {lane.checkpoint && <span>checkpoint <Time at={lane.checkpoint} /></span>}
        </div>
      </div>
      {rates && rates.times.length > 1 && going && (
        <div class="replication-rate">
          <Plot small height={28} label="Documents written in a second" times={rates.times} lines={[{ name: 'documents', values: rates.values }]} format={rate} />
          <span class="faint number">{rate(rates.values.at(-1) ?? 0)}</span>
        </div>
      )}
    </div>
  )
}

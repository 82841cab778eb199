import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import * as api from '../../api'
import { count, rate, size } from '../../format'
import { useAbort, useEvery } from '../../load'
import { Trouble } from '../../parts/notice'
import { Plot } from '../../parts/plot'
import { Waiting } from '../../parts/progress'

/** A point of GET _history. Lengths are in seconds. */
interface Point {
  time: number
  seconds: number
  requests: number
  client_errors: number
  server_errors: number
  request_p50: number | null
  request_p99: number | null
  commits: number
  documents_written: number
  commit_p50: number | null
  commit_p99: number | null
  cpu_seconds: number
  memory_bytes: number
  resident_bytes: number
  open_files: number
  feeds: number
  open_databases: number
  replications_running: number
  disk_free_bytes: number
  disk_used_percent: number
}

/** "1.2 ms", of seconds */
export function length(seconds: number): string {
  if (seconds === 0) return '0'
  if (seconds >= 1) return `${seconds.toPrecision(3)} s`
  return seconds >= 0.001 ? `${(seconds * 1000).toPrecision(3)} ms` : `${Math.round(seconds * 1e6)} µs`
}

const percent = (n: number) => `${Math.round(n)} %`

/** Plots over the last hour. The server keeps the figures, so they are there at once. */
export function Figures({ node }: { node: string }): JSX.Element {
  const [points, set] = useState<Point[]>()
  const [error, setError] = useState<unknown>(undefined)
  const leaving = useAbort()
  const more = () => {
    const last = points?.at(-1)?.time ?? 0
    return api.get<{ points: Point[] }>(['_node', node, '_history'], { since: String(last) }, leaving).then(
      (a) => {
        setError(undefined)
        set((old) => [...(old ?? []), ...a.points.filter((p) => p.time > (old?.at(-1)?.time ?? 0))].filter((p) => p.time > Date.now() / 1000 - 3700))
      },
      (e: unknown) => !api.left(e) && setError(e),
    )
  }
  useEffect(() => void more(), [])
  useEvery(10_000, more)
  if (error) return <Trouble error={error} retry={() => void more()} />
  if (!points) return <Waiting />
  if (points.length < 2) return <p class="faint">The server has just started. The first figures come within 20 seconds.</p>
  const times = points.map((p) => p.time)
  const of = (f: (p: Point) => number | null) => points.map(f)
  const each = (f: (p: Point) => number) => points.map((p) => f(p) / p.seconds)
  return (
    <div class="operate-figures">
      <Figure title="Requests">
        <Plot label="Requests in a second" times={times} format={rate} lines={[
          { name: 'all', values: each((p) => p.requests) },
          { name: '4xx', values: each((p) => p.client_errors), color: 'warning' },
          { name: '5xx', values: each((p) => p.server_errors), color: 'danger' },
        ]} />
      </Figure>
      <Figure title="Length of requests">
        <Plot label="Length of requests" times={times} format={length} lines={[
          { name: 'median', values: of((p) => p.request_p50) },
          { name: '99 of 100 within', values: of((p) => p.request_p99), color: 'second' },
        ]} />
      </Figure>
      <Figure title="Writes">
        <Plot label="Writes in a second" times={times} format={rate} lines={[
          { name: 'documents', values: each((p) => p.documents_written) },
          { name: 'commits', values: each((p) => p.commits), color: 'second' },
        ]} />
      </Figure>
      <Figure title="Length of commits">
        <Plot label="Length of commits" times={times} format={length} lines={[
          { name: 'median', values: of((p) => p.commit_p50) },
          { name: '99 of 100 within', values: of((p) => p.commit_p99), color: 'second' },
        ]} />
      </Figure>
      <Figure title="Processor">
        <Plot label="Use of processors, 100 % is one" times={times} format={percent} lines={[{ name: 'of one processor', values: each((p) => 100 * p.cpu_seconds) }]} />
      </Figure>
      <Figure title="Memory">
        <Plot label="Memory" times={times} format={size} lines={[
          { name: 'own', values: of((p) => p.memory_bytes) },
          { name: 'with pages of files', values: of((p) => p.resident_bytes), color: 'second' },
        ]} />
      </Figure>
      <Figure title="Open">
        <Plot label="What is open" times={times} format={(n) => count(Math.round(n))} lines={[
          { name: 'feeds', values: of((p) => p.feeds) },
          { name: 'databases', values: of((p) => p.open_databases), color: 'second' },
          { name: 'replications', values: of((p) => p.replications_running), color: 'good' },
          { name: 'files', values: of((p) => p.open_files), color: 'warning' },
        ]} />
      </Figure>
      <Figure title="Disk">
        <Plot label="Free disk" times={times} format={size} lines={[{ name: 'free', values: of((p) => p.disk_free_bytes), color: 'good' }]} />
        <p class="faint">{percent(points.at(-1)!.disk_used_percent)} of the disk with the data is in use.</p>
      </Figure>
    </div>
  )
}

function Figure({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="card">
      <h3>{title}</h3>
      {children}
    </div>
  )
}

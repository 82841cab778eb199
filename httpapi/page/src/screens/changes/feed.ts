// The changes feed of a database: the newest ones first, then each as it happens. Whatever comes,
// only so many rows are kept, and they are handed over once for each frame that the browser paints.
import * as api from '../../api'
import { seqNumber } from '../../format'

export interface Change {
  seq: string
  id: string
  /** of all leaves, the winner first */
  changes: { rev: string }[]
  deleted?: boolean
  /** when the server wrote it; null if it was before the server kept times */
  updated?: string | null
}

/** Which changes the server sends. */
export interface Filter {
  query: Record<string, string>
  /** of a POST: {"doc_ids": …} or {"selector": …} */
  body?: string
}

export type State = 'starting' | 'live' | 'paused' | 'lost'

export interface Seen {
  state: State
  /** why it was lost */
  error: unknown
  /** the newest first */
  rows: readonly Change[]
  /** how many came since the screen was opened */
  came: number
  /** changes in a second, over the last few */
  rate: number
}

/** how many changes it begins with */
export const first = 100
/** how many are kept */
export const most = 2000
// If more than these have come during a pause, they are left out.
const tooMany = 10_000

export class Feed {
  private rows: Change[] = []
  private waiting: Change[] = [] // not handed over yet, the oldest first
  private state: State = 'starting'
  private error: unknown
  private since: string | undefined
  private came = 0
  private counts: [at: number, came: number][] = []
  private connection: AbortController | undefined
  private frame = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly db: string,
    private readonly filter: Filter,
    /** told what is to be shown */
    private readonly show: (seen: Seen) => void,
  ) {}

  /** Begins, or goes on after a pause. */
  start(): void {
    this.connection?.abort()
    clearTimeout(this.timer)
    const c = (this.connection = new AbortController())
    this.turn('starting')
    this.run(c.signal).catch((e: unknown) => {
      if (c.signal.aborted) return
      // What the server refuses it refuses again; anything else passes.
      const final = e instanceof api.Failure && e.status >= 400 && e.status < 500 && e.status !== 429 && e.status !== 408
      this.turn('lost', e)
      if (!final) this.timer = setTimeout(() => this.start(), 3000)
    })
  }

  /** Ends the connection; what is shown stays. */
  pause(): void {
    this.stop()
    this.turn('paused')
  }

  /** Ends the connection for good. */
  stop(): void {
    this.connection?.abort()
    clearTimeout(this.timer)
    cancelAnimationFrame(this.frame)
    this.frame = 0
    this.take()
  }

  private async run(signal: AbortSignal): Promise<void> {
    const now = (await api.get<{ update_seq: string }>([this.db], {}, signal)).update_seq
    if (this.since === undefined || seqNumber(now) - seqNumber(this.since) > tooMany || seqNumber(now) < seqNumber(this.since)) {
      const newest = (await (await this.ask({ descending: true, limit: first }, signal)).json()) as { results: Change[] }
      this.waiting = []
      this.rows = newest.results
      this.since = now
    }
    const known = new Set(this.rows.map((r) => r.seq)) // written between the two questions
    this.turn('live')
    const request = this.request({ feed: 'continuous', since: this.since, heartbeat: 15_000 })
    for await (const line of api.lines([this.db, '_changes'], { ...request, signal })) {
      const c = JSON.parse(line) as Change & { last_seq?: string }
      if (c.id === undefined) continue // the end of the feed
      this.since = c.seq
      if (!known.has(c.seq)) this.add(c)
    }
    throw new Error('The server has ended the feed.')
  }

  private request(query: api.Query): api.Ask & { method: string } {
    const all = { style: 'all_docs', meta: true, ...this.filter.query, ...query }
    return this.filter.body === undefined ? { method: 'GET', query: all } : { method: 'POST', query: all, body: this.filter.body }
  }

  private ask(query: api.Query, signal: AbortSignal): Promise<Response> {
    const { method, ...rest } = this.request(query)
    return method === 'POST' ? api.find([this.db, '_changes'], { ...rest, signal }) : api.read([this.db, '_changes'], { ...rest, signal })
  }

  private add(c: Change): void {
    this.came++
    this.waiting.push(c)
    if (this.waiting.length > 2 * most) this.waiting = this.waiting.slice(-most) // a hidden page paints no frames
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0
      this.take()
      this.tell()
    })
  }

  private take(): void {
    if (this.waiting.length) this.rows = [...this.waiting.reverse(), ...this.rows].slice(0, most)
    this.waiting = []
  }

  private turn(state: State, error?: unknown): void {
    this.state = state
    this.error = error
    this.tell()
  }

  /** Says what there is; also once a second, so that the rate falls when nothing comes. */
  tell(): void {
    const now = performance.now()
    const last = this.counts.at(-1)
    if (!last || now - last[0] > 250) this.counts.push([now, this.came])
    while (this.counts.length > 2 && now - this.counts[1]![0] > 3000) this.counts.shift()
    const [at, came] = this.counts[0]!
    const seconds = (now - at) / 1000
    this.show({ state: this.state, error: this.error, rows: this.rows, came: this.came, rate: seconds > 0.5 ? (this.came - came) / seconds : 0 })
  }
}

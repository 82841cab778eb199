import type { Item } from './model'

const kept = 90 // points

interface Line {
  times: number[]
  values: number[]
  written: number
  at: number
}

/** How many documents each direction writes in a second, of what it had written whenever it was looked at. */
export class Rates {
  private lines = new Map<string, Line>()

  /** Takes in what is there now. */
  add(items: readonly Item[], now = Date.now() / 1000): void {
    const next = new Map<string, Line>()
    for (const item of items) {
      for (const lane of item.lanes) {
        const key = item.key + lane.from
        const old = this.lines.get(key)
        // A counter that starts again says nothing about the time before.
        const speed = old && now > old.at ? Math.max(0, lane.written - old.written) / (now - old.at) : undefined
        next.set(key, {
          times: speed === undefined ? [] : [...old!.times, now].slice(-kept),
          values: speed === undefined ? [] : [...old!.values, speed].slice(-kept),
          written: lane.written, at: now,
        })
      }
    }
    this.lines = next
  }

  of(key: string): { times: number[]; values: number[] } | undefined {
    return this.lines.get(key)
  }
}

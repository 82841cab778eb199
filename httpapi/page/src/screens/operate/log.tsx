import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import * as api from '../../api'
import { useAbort, useEvery } from '../../load'
import { Button } from '../../parts/button'
import { Choice } from '../../parts/field'
import { Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'

interface Line {
  number: number
  time: string
  level: 'debug' | 'info' | 'warning' | 'error'
  text: string
}

const most = 500 // lines that are shown

// What this screen asks for again and again is left out: it would hide everything else.
const ours = /\bmethod=GET\s+path=\/_(active_tasks|membership|node\/[^\/\s]+\/_(log|history|doctor))\s/

/** The end of the log, live. */
export function Log({ node }: { node: string }): JSX.Element {
  const [level, setLevel] = useState<Line['level']>('info')
  const [lines, set] = useState<Line[]>([])
  const [known, know] = useState(false) // whether the server has said what there is
  const [paused, pause] = useState(false)
  const [error, setError] = useState<unknown>(undefined)
  const next = useRef(0)
  const asking = useRef(false)
  const box = useRef<HTMLOListElement>(null)
  const leaving = useAbort()
  const current = useRef(level)
  current.current = level
  const more = () => {
    if (asking.current) return
    asking.current = true
    api
      .get<{ lines: Line[]; next: number }>(['_node', node, '_log'], { lines: most, level, since: next.current }, leaving)
      .then((a) => {
        setError(undefined)
        if (current.current !== level) return // the choice has changed meanwhile
        if (a.next < next.current) {
          // The server was started again, and has said something since.
          next.current = 0
          return set([])
        }
        next.current = a.next
        know(true)
        set((old) => [...old, ...a.lines.map((l) => ({ ...l, text: wordsOf(l.text) })).filter((l) => !ours.test(l.text))].slice(-most))
      })
      .catch((e: unknown) => !api.left(e) && setError(e))
      .finally(() => (asking.current = false))
  }
  useEffect(() => {
    next.current = 0
    set([])
    know(false)
    asking.current = false
    more()
  }, [level])
  useEvery(3000, () => !paused && more())
  const atEnd = useRef(true)
  useEffect(() => {
    const b = box.current
    if (b && atEnd.current) b.scrollTop = b.scrollHeight
  }, [lines])
  return (
    <>
      <div class="bar">
        <Choice label="At least" value={level} onChange={setLevel} options={[['debug', 'Everything'], ['info', 'Information'], ['warning', 'Warnings'], ['error', 'Errors']]} />
        <Button pressed={paused} onClick={() => pause(!paused)}>{paused ? 'Go on' : 'Pause'}</Button>
      </div>
      <Trouble error={error} retry={more} />
      {!known && !error ? <Waiting /> : lines.length === 0 && !error ? <p class="faint">There is nothing of that level.</p> : (
        <ol class="operate-log" ref={box} tabIndex={0} aria-label="Lines of the log" onScroll={(e) => {
          const b = e.currentTarget
          atEnd.current = b.scrollHeight - b.scrollTop - b.clientHeight < 40
        }}>
          {lines.map((l) => (
            <li key={l.number} class={l.level}>
              <time dateTime={l.time} title={l.time}>{new Date(l.time).toLocaleTimeString('en', { hour12: false })}</time>
              <span class="level">{l.level}</span>
              <span dir="auto">{l.text}</span>
            </li>
          ))}
        </ol>
      )}
    </>
  )
}

/** A line without what stands beside it already: its time and its level. */
function wordsOf(text: string): string {
  if (!text.startsWith('{')) return text.replace(/^time=\S+ level=\S+ /, '')
  try {
    const { time: _time, level: _level, msg, ...rest } = JSON.parse(text) as Record<string, unknown>
    const more = Object.entries(rest).map(([k, v]) => `${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`)
    return [String(msg), ...more].join('  ')
  } catch {
    return text // it was cut
  }
}

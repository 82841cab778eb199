import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { plural, size } from '../../format'
import { Num, Obj, print, type Json } from '../../json'
import { stretches, type Stretch } from './lines'
import { changedPart, type Side } from './merge'

// So many characters of a value are shown at first.
const cut = 1200

interface ValueProps {
  value: Side
  /** what it is compared with; undefined: nothing */
  other: Side
}

/** A value, with what distinguishes it from another one marked. */
export function Value({ value, other }: ValueProps): JSX.Element {
  const [all, showAll] = useState(false)
  if (value === undefined) return <span class="cf-none">not there</span>
  if (Array.isArray(value) && Array.isArray(other) && value.length + other.length < 400) return <List value={value} other={other} />
  const lines = typeof value === 'string' && typeof other === 'string' && other !== value ? stretches(other, value) : undefined
  if (lines) return <Stretches lines={lines} />
  const text = typeof value === 'string' ? value : print(value, true)
  const more = !all && text.length > cut ? <button type="button" class="button quiet" onClick={() => showAll(true)}>Show all of it ({size(text.length)})</button> : null
  const shown = more ? text.slice(0, cut) + '…' : text
  if (typeof value === 'string') {
    if (value === '') return <span class="cf-none">an empty text</span>
    const [a, b, c] = typeof other === 'string' && !more ? changedPart(shown, other) : ['', '', shown]
    return <span class="cf-text" dir="auto">{a}{b && <mark>{b}</mark>}{c}{more}</span>
  }
  const kind = value instanceof Num ? 'number' : value instanceof Obj || Array.isArray(value) ? 'json' : 'word'
  return <span class="cf-code"><code class={kind} dir="auto">{shown}</code>{more}</span>
}

// So many unchanged lines stand beside a changed one.
const beside = 2

/** A text of several lines: what is new in it, what is gone, and a little of what is around. */
function Stretches({ lines }: { lines: Stretch[] }): JSX.Element {
  const [all, showAll] = useState(false)
  let left = all ? Infinity : 60
  return (
    <span class="cf-lines" dir="auto">
      {lines.map((s, i) => {
        if (left <= 0) return null
        const from = i === 0 ? 0 : beside
        const to = i === lines.length - 1 ? 0 : beside
        const short = !all && s.kind === 'same' && s.lines.length > from + to + 1
        const shown = short ? [...s.lines.slice(0, from), null, ...s.lines.slice(s.lines.length - to)] : s.lines
        left -= shown.length
        return shown.map((l, j) => (
          l === null ? <button key={`${i}.${j}`} type="button" class="button quiet" onClick={() => showAll(true)}>{plural(s.lines.length - from - to, 'unchanged line')}</button>
            : s.kind === 'removed' ? <del key={`${i}.${j}`}>{l.slice(0, cut) || ' '}<span class="unseen"> (removed)</span></del>
              : s.kind === 'added' ? <ins key={`${i}.${j}`}>{l.slice(0, cut) || ' '}<span class="unseen"> (new)</span></ins>
                : <span key={`${i}.${j}`}>{l.slice(0, all ? undefined : cut) || ' '}</span>
        ))
      })}
      {left <= 0 && <button type="button" class="button quiet" onClick={() => showAll(true)}>Show all of it</button>}
    </span>
  )
}

/** A list, each element on a line: what is new in it, and what is gone. */
function List({ value, other }: { value: Json[]; other: Json[] }): JSX.Element {
  const before = new Set(other.map((v) => print(v)))
  const now = new Set(value.map((v) => print(v)))
  const line = (v: Json) => (typeof v === 'string' ? v : print(v))
  if (!value.length && !other.length) return <span class="cf-none">an empty list</span>
  return (
    <ul class="cf-list">
      {value.map((v, i) => <li key={i} dir="auto" class={before.has(print(v)) ? '' : 'added'}>{line(v).slice(0, cut)}{!before.has(print(v)) && <span class="unseen"> (new)</span>}</li>)}
      {other.filter((v) => !now.has(print(v))).map((v, i) => <li key={'-' + i} dir="auto" class="removed"><del>{line(v).slice(0, cut)}</del><span class="unseen"> (removed)</span></li>)}
    </ul>
  )
}

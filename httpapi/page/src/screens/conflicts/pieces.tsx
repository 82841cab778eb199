// A text that was merged by lines: what is settled, and the places that somebody has to decide.
import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { plural } from '../../format'
import { isPlace, textOf, type Lines, type Taken, type Picks, type Place, type Settled } from './lines'
import { Value } from './value'

// So many settled lines stand beside a place.
const beside = 2

interface PiecesProps {
  lines: Lines
  picks: Picks
  /** of the row */
  label: string
  baseName: string
  /** place: counted from 0 */
  pick: (place: number, p: Taken) => void
}

export function Pieces({ lines, picks, label, baseName, pick }: PiecesProps): JSX.Element {
  let place = -1
  const parts = lines.parts!
  return (
    <div class="cf-pieces">
      {parts.map((part, i) => {
        if (!isPlace(part)) return <Known key={i} part={part} names={lines.names} from={i === 0 ? 0 : beside} to={i === parts.length - 1 ? 0 : beside} />
        const n = ++place
        return <Piece key={i} n={n} place={part} pick={picks[n]} label={`place ${n + 1} of ${lines.conflicts} in ${label}`} names={lines.names} baseName={baseName} choose={(p) => pick(n, p)} />
      })}
    </div>
  )
}

/** Settled lines: those that one of both has changed, and a few around places. */
function Known({ part, names, from, to }: { part: Settled; names: Lines['names']; from: number; to: number }): JSX.Element | null {
  const [all, showAll] = useState(false)
  const hidden = part.lines.length - from - to
  const short = !all && hidden > 1 && !(part.by && part.lines.length <= 12)
  if (part.lines.length === 0) return null
  const line = (l: string, i: number) => <span key={i}>{l.slice(0, 1200) || ' '}</span>
  return (
    <div class={`cf-lines cf-known ${part.by ? 'by' : ''}`} dir="auto">
      {part.by && <span class="faint">{part.by === 'both' ? 'changed in both alike' : `only changed in ${names[part.by]}`}</span>}
      {short ? (
        <>
          {part.lines.slice(0, from).map(line)}
          <button type="button" class="button quiet" onClick={() => showAll(true)}>{plural(hidden, part.by ? 'more line' : 'unchanged line')}</button>
          {part.lines.slice(part.lines.length - to).map(line)}
        </>
      ) : part.lines.map(line)}
    </div>
  )
}

/** A place that both have changed, and what to take there. */
function Piece({ n, place, pick, label, names, baseName, choose }: { n: number; place: Place; pick: Taken | undefined; label: string; names: Lines['names']; baseName: string; choose: (p: Taken) => void }): JSX.Element {
  const group = useId()
  const hand = typeof pick === 'object'
  const was = place.was?.join('\n')
  const option = (p: Taken, name: string, lines: string[] | undefined, kind = '') => {
    const taken = typeof p === 'object' ? hand : pick === p
    return (
      <label class={`cf-side ${kind} ${taken ? 'taken' : ''}`}>
        <span class="cf-pick"><input type="radio" name={group} checked={taken} aria-label={`${name} for ${label}`} onChange={() => choose(p)} /><span>{name}</span></span>
        {lines && (lines.length ? <Value value={lines.join('\n')} other={p === 'was' ? undefined : was || (p === 'a' ? place.b : place.a).join('\n')} /> : <span class="cf-none">no lines</span>)}
      </label>
    )
  }
  const text = textOf(place, pick)
  return (
    <section class={`cf-piece ${pick === undefined ? 'open' : ''}`} data-place={n} role="radiogroup" aria-label={label}>
      <div class="row">
        <strong class="grow" dir="auto">{label[0]!.toUpperCase() + label.slice(1)}</strong>
        <span class={`badge ${pick === undefined ? 'warning' : 'accent'}`}>{pick === undefined ? 'to be decided' : 'your choice'}</span>
      </div>
      <div class="cf-sides" style={{ '--n': place.was ? '3' : '2' }}>
        {place.was && option('was', baseName, place.was, 'before')}
        {option('a', names.a, place.a)}
        {option('b', names.b, place.b)}
      </div>
      <div class="cf-other">
        {place.words !== undefined && option('words', 'Merged by words', place.words.split('\n'), 'small')}
        {option('both', 'Both', undefined, 'small')}
        {option(hand ? pick : { text }, 'By hand', undefined, 'small')}
        {hand && (
          <div class="field cf-hand">
            <textarea aria-label={`Text for ${label}`} dir="auto" spellcheck={false} rows={Math.min(16, Math.max(2, text.split('\n').length))} value={text} onInput={(e) => choose({ text: e.currentTarget.value })} />
          </div>
        )}
      </div>
    </section>
  )
}

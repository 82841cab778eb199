import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { check } from '../../json'
import { Field } from '../../parts/field'
import { plural } from '../../format'
import { nextMark, type Taken } from './lines'
import { chosen, contents, decided, handText, pathText, shortRev, together, valueOf, type Choice, type Choices, type Plan, type Row } from './merge'
import { AttachmentValue } from './attachment'
import { Pieces } from './pieces'
import { Value } from './value'

interface DifferenceProps {
  db: string
  id: string
  plan: Plan
  row: Row
  choices: Choices
  baseRev: string | null
  baseName: string
  /** somebody has changed it since the visitor saw it */
  moved: boolean
  choose: (row: Row, choice: Choice) => void
}

/** What a row says about itself. */
function state(p: DifferenceProps): { text: string; kind: string } {
  const { row, plan, choices } = p
  const c = choices.get(row.key)
  if (!decided(row, choices)) return { text: 'to be decided', kind: 'warning' }
  if (c?.take === 'pieces' || (!c && row.auto < 0)) return { text: 'merged by lines', kind: c ? 'accent' : '' }
  if (c) return { text: 'your choice', kind: 'accent' }
  return { text: `only changed in ${plan.versions[row.auto]!.name}`, kind: '' }
}

/** The choice for a text in pieces, with one more place decided. */
export function picked(picks: readonly (Taken | undefined)[], place: number, pick: Taken): Choice {
  const now = [...picks]
  now[place] = pick
  return { take: 'pieces', picks: now }
}

/** One place where the versions differ, and what to take of them. */
export function Difference(p: DifferenceProps): JSX.Element {
  const { row, plan, choices, choose } = p
  const group = useId()
  const title = row.attachment ? String(row.path[0]) : pathText(row.path)
  const label = title || 'the whole document'
  const now = chosen(row, choices)
  const is = (c: Choice) => now !== undefined && now.take === c.take && (c.take !== 'version' || now.take !== 'version' || now.n === c.n)
  const s = state(p)
  const all = together(row, plan)
  const show = (side: Row['base'], rev: string, from?: Row['base']) =>
    row.attachment ? <AttachmentValue db={p.db} id={p.id} rev={rev} name={String(row.path[0])} stub={side} before={side === row.base ? undefined : row.base} baseRev={p.baseRev ?? ''} /> : <Value value={side} other={rev !== '' && rev === p.baseRev ? side : from ?? row.sides.find((v) => v !== side)} />
  const option = (c: Choice, name: string, content: JSX.Element | null, kind: string, rev = '') => (
    <label class={`cf-side ${kind} ${is(c) ? 'taken' : ''}`}>
      <span class="cf-pick"><input type="radio" name={group} checked={is(c)} aria-label={`${name} for ${label}`} onChange={() => choose(row, c)} /><span>{name}</span>{rev && <code class="cf-rev">{shortRev(rev)}</code>}</span>
      {content}
    </label>
  )
  const small = (c: Choice, name: string) => option(c, name, is(c) ? <Value value={valueOf(row, c)} other={row.base} /> : null, 'small')
  const bad = now?.take === 'hand' && !now.plain ? check(now.text) : null
  return (
    <section class={`cf-row ${decided(row, choices) ? '' : 'open'}`} data-key={row.key} role="radiogroup" aria-label={label}>
      <header>
        <h3 dir="auto">{row.attachment && <span class="badge">attachment</span>} {label}</h3>
        {p.moved && <span class="badge danger">changed meanwhile</span>}
        <span class={`badge ${s.kind}`}>{s.text}</span>
      </header>
      <div class="cf-sides">
        {plan.base && option({ take: 'base' }, p.baseName, show(row.base, p.baseRev ?? ''), 'before', p.baseRev ?? '')}
        {plan.versions.map((v, n) => option({ take: 'version', n }, v.name, show(row.sides[n], v.rev, row.from[n]), v.rev ? '' : 'mine', v.rev))}
      </div>
      {row.attachment && all?.take === 'rename' && (
        <div class="cf-other">
          {option(now?.take === 'rename' ? now : all, contents(row).length > 2 ? 'Keep all' : 'Keep both', null, 'small')}
          {now?.take === 'rename' && now.names.map((name, i) => (
            <Field key={i} label={`Name of ${contents(row).length > 2 ? `number ${i + 2}` : 'the other one'}`} value={name} onInput={(v) => choose(row, { take: 'rename', names: now.names.map((n, j) => (i === j ? v : n)) })}
              {...(decided(row, choices) ? {} : { error: 'Another name that does not begin with _' })} />
          ))}
        </div>
      )}
      {!row.attachment && (
        <div class="cf-other">
          {all?.take === 'both' && small(all, plan.versions.length > 2 ? 'All' : 'Both')}
          {all?.take === 'lines' && small(all, 'Merged by lines')}
          {all?.take === 'words' && small(all, 'Merged by words')}
          {all?.take === 'pieces' && option(now?.take === 'pieces' ? now : all, `Merged by lines, ${plural(row.lines!.conflicts, 'place')} to decide`, null, 'small')}
          {all?.take === 'hand' && !(now?.take === 'hand') && (
            <button type="button" class="button" aria-label={`Merge ${label} by lines`} onClick={() => choose(row, all)}>Merge by lines, {plural(row.lines!.conflicts, 'place')} to decide</button>
          )}
          {option(
            now?.take === 'hand' ? now : { take: 'hand', ...handText(row, now ? valueOf(row, now) : row.sides[0]) },
            'By hand', null, 'small')}
          {now?.take === 'hand' && (
            <div class="field cf-hand">
              <textarea aria-label={`Text for ${label}`} dir="auto" spellcheck={false} class={now.plain ? '' : 'mono'} rows={Math.min(24, Math.max(2, now.text.split('\n').length))} value={now.text} aria-invalid={bad !== null} aria-describedby={group + 'bad'}
                onInput={(e) => choose(row, { take: 'hand', text: e.currentTarget.value, plain: now.plain })} />
              <div class="more" id={group + 'bad'}>{now.plain && row.lines?.conflicts && nextMark(now.text, -1) ? (
                <span class="row">
                  <span class="grow">Between <code>&lt;&lt;&lt;&lt;&lt;&lt;&lt;</code> and <code>&gt;&gt;&gt;&gt;&gt;&gt;&gt;</code> both have changed the same lines. Leave what is to be, and take the marks away.</span>
                  <button type="button" class="button" onClick={(e) => {
                    const text = e.currentTarget.closest('.cf-hand')!.querySelector('textarea')!
                    const mark = nextMark(text.value, text.selectionStart)
                    text.focus()
                    if (mark) text.setSelectionRange(...mark)
                  }}>Next place</button>
                </span>
              ) : bad ? <span class="error" role="alert">{`Line ${bad.place(now.text).line}: ${bad.message}`}</span> : now.plain ? 'A text, as it is to be.' : 'JSON, kept as you write it.'}</div>
            </div>
          )}
        </div>
      )}
      {now?.take === 'pieces' && <Pieces lines={row.lines!} picks={now.picks} label={label} baseName={p.baseName} pick={(place, one) => choose(row, picked(now.picks, place, one))} />}
    </section>
  )
}

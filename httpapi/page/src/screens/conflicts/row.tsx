import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { check } from '../../json'
import { both, chosen, handText, pathText, shortRev, valueOf, type Choice, type Choices, type Plan, type Row } from './merge'
import { AttachmentValue, Value } from './value'

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
  if (!chosen(row, choices)) return { text: 'to be decided', kind: 'warning' }
  if (c) return { text: 'your choice', kind: 'accent' }
  return { text: `only changed in ${plan.versions[row.auto]!.name}`, kind: '' }
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
  const together = both(row)
  const show = (side: Row['base'], rev: string) =>
    row.attachment ? <AttachmentValue db={p.db} id={p.id} rev={rev} name={String(row.path[0])} stub={side} /> : <Value value={side} other={rev !== '' && rev === p.baseRev ? side : row.base ?? row.sides.find((v) => v !== side)} />
  const option = (c: Choice, name: string, content: JSX.Element | null, kind: string, rev = '') => (
    <label class={`cf-side ${kind} ${is(c) ? 'taken' : ''}`}>
      <span class="cf-pick"><input type="radio" name={group} checked={is(c)} aria-label={`${name} for ${label}`} onChange={() => choose(row, c)} /><span>{name}</span>{rev && <code class="cf-rev">{shortRev(rev)}</code>}</span>
      {content}
    </label>
  )
  const bad = now?.take === 'hand' && !now.plain ? check(now.text) : null
  return (
    <section class={`cf-row ${now ? '' : 'open'}`} data-key={row.key} role="radiogroup" aria-label={label}>
      <header>
        <h3 dir="auto">{row.attachment && <span class="badge">attachment</span>} {label}</h3>
        {p.moved && <span class="badge danger">changed meanwhile</span>}
        <span class={`badge ${s.kind}`}>{s.text}</span>
      </header>
      <div class="cf-sides">
        {plan.base && option({ take: 'base' }, p.baseName, show(row.base, p.baseRev ?? ''), 'before', p.baseRev ?? '')}
        {plan.versions.map((v, n) => option({ take: 'version', n }, v.name, show(row.sides[n], v.rev), v.rev ? '' : 'mine', v.rev))}
      </div>
      {!row.attachment && (
        <div class="cf-other">
          {together !== undefined && option({ take: 'both' }, plan.versions.length > 2 ? 'All' : 'Both', is({ take: 'both' }) ? <Value value={together} other={row.base} /> : null, 'small')}
          {option(
            now?.take === 'hand' ? now : { take: 'hand', ...handText(row, now ? valueOf(row, now) : row.sides[0]) },
            'By hand', null, 'small')}
          {now?.take === 'hand' && (
            <div class="field cf-hand">
              <textarea aria-label={`Text for ${label}`} dir="auto" spellcheck={false} class={now.plain ? '' : 'mono'} rows={Math.min(12, Math.max(2, now.text.split('\n').length))} value={now.text} aria-invalid={bad !== null} aria-describedby={group + 'bad'}
                onInput={(e) => choose(row, { take: 'hand', text: e.currentTarget.value, plain: now.plain })} />
              <div class="more" id={group + 'bad'}>{bad ? <span class="error" role="alert">{`Line ${bad.place(now.text).line}: ${bad.message}`}</span> : now.plain ? 'A text, as it is to be.' : 'JSON, kept as you write it.'}</div>
            </div>
          )}
        </div>
      )}
    </section>
  )
}

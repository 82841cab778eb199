import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { Obj, parse, print, type Json } from '../../json'
import { compare, copy, place, type Part } from '../../merge'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Editor } from '../../parts/editor'
import { Notice } from '../../parts/notice'
import { useGuard } from '../../router'
import { shortRev, type Doc } from './model'

/**
 * Somebody else has saved the document since it was opened. Three versions side by side: as it was
 * opened, as it is now, and the visitor's. What only one of them changed is taken; the visitor
 * decides the rest.
 */
export function Collision({ base, mine, theirs, error, busy, onSave, onTheirs, onClose }: {
  base: string | undefined
  mine: string
  theirs: Doc
  /** why the result was not saved */
  error: string | undefined
  busy: boolean
  onSave: (text: string) => void
  onTheirs: () => void
  onClose: () => void
}): JSX.Element {
  const trees = useMemo(() => ({ base: base === undefined ? undefined : parse(base), mine: parse(mine) as Obj, theirs: parse(theirs.text) as Obj }), [])
  const parts = useMemo(() => compare(trees.base, trees.mine, trees.theirs), [trees])
  const [taken, take] = useState<('mine' | 'theirs')[]>(() => parts.map((p) => (p.by === 'theirs' && !theirs.deleted ? 'theirs' : 'mine')))
  const [made, make] = useState<string>() // what writing by hand began with
  const [hand, byHand] = useState<string>()
  const written = useGuard(hand !== made, 'What you have written by hand is not saved.')
  const open = parts.filter((p) => p.by === 'each').length

  const merged = () => {
    const whole = copy(trees.theirs) as Obj
    parts.forEach((p, i) => taken[i] === 'mine' && place(whole, p.path, p.mine))
    return print(whole, true)
  }
  const begin = (text: string | undefined) => {
    make(text)
    byHand(text)
  }
  const choose = (i: number, who: 'mine' | 'theirs') => take((old) => old.map((t, j) => (j === i ? who : t)))

  return (
    <Dialog wide title="Somebody else has saved this document" onClose={onClose} actions={
      <>
        <Button onClick={onTheirs}>Drop mine</Button>
        {hand === undefined ? <Button onClick={() => begin(merged())}>Write by hand</Button> : <Button onClick={() => written.mayLeave() && begin(undefined)}>Back to the fields</Button>}
        <Button kind="primary" busy={busy} onClick={() => onSave(hand ?? merged())}>Save the result</Button>
      </>
    }>
      <p>
        {theirs.deleted ? 'It was deleted since you opened it. What you save makes it live again.' : <>It is at revision <code>{theirs.rev && shortRev(theirs.rev)}</code> now. </>}
        {theirs.deleted ? '' : open === 0 ? 'Your changes and theirs do not touch the same fields, so both can stay.' : `${open === 1 ? 'One field was' : `${open} fields were`} changed by both: choose.`}
      </p>
      {error !== undefined && <Notice kind="error">{error}</Notice>}
      {hand !== undefined ? <Editor label="The result, written by hand" mode="json" value={hand} readOnly={busy} onChange={byHand} height="50vh" /> : parts.length === 0 ? <Notice>Both versions are the same.</Notice> : (
        <div class="versions" role="table" aria-label="Three versions, field by field">
          <div class="line titles" role="row">
            {['Field', titles.base, titles.theirs, titles.mine].map((t) => <span key={t} role="columnheader">{t}</span>)}
          </div>
          {parts.map((p, i) => (
            <div key={p.path.join('\u0000')} class={`line ${p.by}`} role="row">
              <strong role="rowheader" dir="auto">{p.path.join(' › ')}</strong>
              <span role="cell" data-title={titles.base}><Value of={p.base} /></span>
              <Option part={p} who="theirs" is={taken[i] === 'theirs'} choose={() => choose(i, 'theirs')} />
              <Option part={p} who="mine" is={taken[i] === 'mine'} choose={() => choose(i, 'mine')} />
            </div>
          ))}
        </div>
      )}
    </Dialog>
  )
}

/** The columns; on a narrow screen, each value's own title. */
const titles = { base: 'When you opened it', theirs: 'Saved now', mine: 'Yours' }

function Option({ part, who, is, choose }: { part: Part; who: 'mine' | 'theirs'; is: boolean; choose: () => void }): JSX.Element {
  return (
    <span role="cell" data-title={titles[who]}>
      <button type="button" class="option" aria-pressed={is} aria-label={`${part.path.join(' ')}: take ${who === 'mine' ? 'yours' : 'what is saved now'}`} onClick={choose}>
        <Value of={part[who]} />
      </button>
    </span>
  )
}

/** A value in short; what is not there is said so. */
function Value({ of }: { of: Json | undefined }): JSX.Element {
  if (of === undefined) return <em class="faint">not there</em>
  const text = print(of, true)
  return <code dir="auto">{text.length > 600 ? text.slice(0, 600) + ' …' : text}</code>
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as api from '../../api'
import { size } from '../../format'
import { Num, Obj } from '../../json'
import { useLoad } from '../../load'
import { Preview, kindOf } from '../../parts/preview'
import { Value } from './value'
import type { Side } from './merge'

// A text of so many bytes is shown beside what it was.
const most = 100_000

interface AttachmentProps {
  db: string
  id: string
  /** '' where the visitor's own choice is shown */
  rev: string
  name: string
  stub: Side
  /** what it was; undefined: nothing, or this is it */
  before: Side
  baseRev: string
}

/** An attachment: what it is, and a look at it. */
export function AttachmentValue({ db, id, rev, name, stub, before, baseRev }: AttachmentProps): JSX.Element {
  const [shown, show] = useState(false)
  if (!(stub instanceof Obj)) return <span class="cf-none">not there</span>
  const type = String(stub.get('content_type') ?? '')
  const length = bytesOf(stub)
  const kind = kindOf(type)
  const path = [db, id, name]
  const text = kind === 'text' && length <= most
  return (
    <span class="cf-attachment">
      {rev !== '' && text && <Text path={path} rev={rev} was={before instanceof Obj && kindOf(String(before.get('content_type'))) === 'text' && bytesOf(before) <= most ? baseRev : ''} />}
      {rev !== '' && (kind === 'picture' || shown) && <Preview type={type} name={name} length={length} path={path} rev={rev} />}
      <span><bdi>{type}</bdi><span class="faint">, {size(length)}</span></span>
      {rev !== '' && (
        <span class="row">
          {!text && kind !== 'picture' && kind !== 'other' && !shown && <button type="button" class="button" aria-label={`Look at ${name} as it is in ${rev}`} onClick={() => show(true)}>Look at it</button>}
          <a href={api.url(path, { rev })} target="_blank" rel="noopener" aria-label={`Open ${name} as it is in ${rev}`}>Open</a>
        </span>
      )}
    </span>
  )
}

function bytesOf(stub: Obj): number {
  const n = stub.get('length')
  return n instanceof Num ? Number(n.text) : 0
}

/** A text, with what distinguishes it from what it was. */
function Text({ path, rev, was }: { path: string[]; rev: string; was: string }): JSX.Element {
  const read = async (r: string, signal: AbortSignal) => (await api.read(path, { query: { rev: r }, headers: { Accept: '*/*' }, signal })).text()
  const texts = useLoad(async (signal) => ({
    now: await read(rev, signal),
    before: was ? await read(was, signal).catch(() => undefined) : undefined, // it may be gone
  }), [path.join('/'), rev, was])
  if (texts.error) return <span class="cf-none">{api.words(texts.error)}</span>
  return texts.value ? <Value value={texts.value.now} other={texts.value.before} /> : <span class="faint">…</span>
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as api from '../../api'
import { check } from '../../json'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Cancel, Dialog } from '../../parts/dialog'
import { Choice, Field } from '../../parts/field'
import { Editor } from '../../parts/editor'
import { Trouble } from '../../parts/notice'
import type { Filter } from './feed'

type Kind = 'all' | 'ids' | 'selector' | 'design' | 'function'

const kinds: readonly (readonly [Kind, string])[] = [
  ['all', 'All changes'],
  ['ids', 'Of these ids'],
  ['selector', 'That match a selector'],
  ['design', 'Of design documents'],
  ['function', 'By a filter function'],
]

/** Chooses which changes the server sends. */
export function Filters({ db, onChange }: { db: string; onChange: (f: Filter) => void }): JSX.Element {
  const [open, setOpen] = useState(false)
  const [now, setNow] = useState('All changes')
  const [kind, setKind] = useState<Kind>('all')
  const [ids, setIds] = useState('')
  const [selector, setSelector] = useState('{\n  \n}')
  const [name, setName] = useState('')
  const [more, setMore] = useState('')

  const list = ids.split('\n').map((s) => s.trim()).filter(Boolean)
  const wrong = kind === 'selector' ? check(selector) : undefined
  const ready = kind === 'ids' ? list.length > 0 : kind === 'selector' ? !wrong && selector.trim() !== '' : kind === 'function' ? name !== '' : true
  const use = () => {
    if (!ready) return
    const filters: Record<Kind, () => Filter> = {
      all: () => ({ query: {} }),
      ids: () => ({ query: { filter: '_doc_ids' }, body: JSON.stringify({ doc_ids: list }) }),
      selector: () => ({ query: { filter: '_selector' }, body: `{"selector":${selector}}` }),
      design: () => ({ query: { filter: '_design' } }),
      function: () => ({ query: { ...Object.fromEntries(new URLSearchParams(more)), filter: name } }),
    }
    const words: Record<Kind, string> = { all: 'All changes', ids: list.length === 1 ? 'One id' : `${list.length} ids`, selector: 'A selector', design: 'Design documents', function: name }
    onChange(filters[kind]())
    setNow(words[kind])
    setOpen(false)
  }
  return (
    <>
      <Button label={`Filter: ${now}`} onClick={() => setOpen(true)} pressed={now !== 'All changes'}>Filter: <span class="cut changes-filter" dir="auto">{now}</span></Button>
      {open && (
        <Dialog title="Which changes" unsaved="" onClose={() => setOpen(false)} onSubmit={use} actions={<><Cancel /><Button kind="primary" type="submit" disabled={!ready}>Show them</Button></>}>
          <Choice label="Changes" value={kind} options={kinds} onChange={setKind} />
          {kind === 'ids' && <Field label="Ids" rows={6} value={ids} onInput={setIds} hint="One on each line." />}
          {kind === 'selector' && (
            <>
              <Editor label="Selector" mode="json" value={selector} onChange={setSelector} height="12rem" />
              <p class="faint">A Mango selector, such as <code>{'{"type": "recipe"}'}</code>. The server looks at each document that changes.</p>
            </>
          )}
          {kind === 'function' && <Functions db={db} name={name} onName={setName} more={more} onMore={setMore} />}
        </Dialog>
      )}
    </>
  )
}

interface Rows {
  rows: { id: string; doc?: { filters?: Record<string, unknown> } | null }[]
}

/** The filter functions of the database's design documents. */
function Functions({ db, name, onName, more, onMore }: { db: string; name: string; onName: (s: string) => void; more: string; onMore: (s: string) => void }): JSX.Element {
  const found = useLoad(async (signal) => {
    const page = await api.get<Rows>([db, '_design_docs'], { include_docs: true, limit: 100 }, signal)
    return page.rows.flatMap((r) => Object.keys(r.doc?.filters ?? {}).map((f) => `${r.id.slice('_design/'.length)}/${f}`))
  }, [db])
  const names = found.value ?? []
  return (
    <>
      <Trouble error={found.error} retry={found.reload} />
      {found.value && names.length === 0 && <p>The design documents of this database have no filter functions.</p>}
      {names.length > 0 && <Choice label="Function" value={name} options={[['', 'Choose one'], ...names.map((n) => [n, n] as const)]} onChange={onName} />}
      {names.length > 0 && <Field label="Parameters" value={more} onInput={onMore} placeholder="type=recipe&for=2" hint="What the function finds in the query of the request." />}
    </>
  )
}

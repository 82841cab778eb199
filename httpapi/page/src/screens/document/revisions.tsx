import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import * as api from '../../api'
import { plural } from '../../format'
import { useLoad } from '../../load'
import { Differ } from '../../parts/differ'
import { Editor } from '../../parts/editor'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { link } from '../../router'
import { load as loadDoc, shortRev } from './model'
import { load, lookFor, type Node } from './tree'

const dx = 64
const dy = 44
const edge = 28

/** The tree of a document's revisions, drawn. One that is chosen is shown, two are compared. */
export function Revisions({ db, id }: { db: string; id: string }): JSX.Element {
  const tree = useLoad((signal) => load(db, id, signal), [db, id])
  const [chosen, choose] = useState<string[]>([])
  const [, redraw] = useState(0)
  useEffect(() => {
    if (!tree.value) return
    const c = new AbortController()
    void lookFor(db, id, tree.value.nodes, c.signal).then(() => redraw((n) => n + 1), () => {})
    const winner = tree.value.nodes.find((n) => n.winner)
    choose(winner ? [winner.rev] : [])
    return () => c.abort()
  }, [tree.value])
  if (!tree.value) return tree.error ? <Trouble error={tree.error} retry={tree.reload} /> : <Waiting />
  const { nodes, leaves, omitted } = tree.value
  const live = nodes.filter((n) => n.leaf && !n.deleted).length
  const width = edge * 2 + dx * Math.max(0, ...nodes.map((n) => n.step))
  const height = edge * 2 + dy * Math.max(0, ...nodes.map((n) => n.lane))
  const x = (n: Node) => edge + n.step * dx
  const y = (n: Node) => edge + n.lane * dy
  // A click chooses one; a second one is compared with it.
  const click = (n: Node) => choose((old) => (old.includes(n.rev) ? old.filter((r) => r !== n.rev) : [...old.slice(-1), n.rev]))
  const move = (n: Node, e: KeyboardEvent) => {
    const to = { ArrowLeft: n.parent, ArrowRight: n.children[0], ArrowUp: beside(nodes, n, -1), ArrowDown: beside(nodes, n, 1) }[e.key]
    if (to) {
      e.preventDefault()
      document.getElementById('rev-' + to.rev)?.focus()
    } else if (e.key === 'Enter' || e.key === ' ') {
      e.preventDefault()
      click(n)
    }
  }
  const focusable = chosen.at(-1) ?? nodes[0]?.rev
  return (
    <div class="revisions">
      <p class="faint">
        {plural(leaves, 'branch', 'branches')}{leaves !== live && `, ${live} of them live`}. Choose a revision to see it, and a second one to compare.
        {omitted > 0 && ` The ${plural(omitted, 'branch', 'branches')} that would lose are not drawn.`}
      </p>
      <div class="tree card">
        <svg width={width} height={height} role="group" aria-label="Tree of revisions">
          {nodes.map((n) => n.parent && (
            <g key={n.rev} class={`edge ${n.hidden ? 'cut-off' : ''}`}>
              <path d={`M${x(n.parent)} ${y(n.parent)} C${x(n.parent) + dx / 2} ${y(n.parent)} ${x(n) - dx / 2} ${y(n)} ${x(n)} ${y(n)}`} />
              {n.hidden > 0 && <text x={(x(n) + x(n.parent)) / 2} y={y(n) - 8}>{n.hidden} more</text>}
            </g>
          ))}
          {nodes.map((n) => (
            <g
              key={n.rev}
              id={'rev-' + n.rev}
              class={`rev ${kind(n)} ${n.there === false ? 'without' : ''} ${chosen.includes(n.rev) ? 'chosen' : ''}`}
              transform={`translate(${x(n)} ${y(n)})`}
              role="button"
              tabindex={n.rev === focusable ? 0 : -1}
              aria-pressed={chosen.includes(n.rev)}
              aria-label={`Revision ${shortRev(n.rev)}, ${kindInWords(n)}${n.there === false ? ', body is gone' : ''}`}
              onClick={() => click(n)}
              onKeyDown={(e) => move(n, e)}
            >
              <title>{`${n.rev}\n${kindInWords(n)}${n.there === false ? '\nits body is gone' : ''}`}</title>
              <circle r={13} />
              {n.deleted ? <path class="cross" d="M-4.5 -4.5L4.5 4.5M-4.5 4.5L4.5 -4.5" /> : <text y={4}>{n.generation}</text>}
            </g>
          ))}
        </svg>
      </div>
      <ul class="legend faint" aria-hidden="true">
        <li><i class="winner" />winner</li>
        <li><i class="conflict" />conflict</li>
        <li><i class="deleted" />deleted</li>
        <li><i class="inner" />older</li>
        <li><i class="without" />body is gone</li>
      </ul>
      {chosen.length === 1 && <One db={db} id={id} rev={chosen[0]!} />}
      {chosen.length === 2 && <Two db={db} id={id} revs={[...chosen].sort((a, b) => parseInt(a, 10) - parseInt(b, 10))} />}
    </div>
  )
}

const kind = (n: Node): string => (n.deleted ? 'deleted' : n.winner ? 'winner' : n.leaf ? 'conflict' : 'inner')
const kindInWords = (n: Node): string => (n.deleted ? (n.winner ? 'winner, deleted' : 'deleted') : n.winner ? 'winner' : n.leaf ? 'conflict' : 'older')

/** The nearest node in another lane. */
function beside(nodes: readonly Node[], n: Node, way: 1 | -1): Node | undefined {
  const far = (o: Node) => Math.abs(o.lane - n.lane) * 1000 + Math.abs(o.step - n.step)
  return nodes.filter((o) => (o.lane - n.lane) * way > 0).sort((a, b) => far(a) - far(b))[0]
}

/** The content of a revision as text; undefined: it is gone. */
async function bodyOf(db: string, id: string, rev: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const d = await loadDoc(db, id, rev, signal)
    const atts = d.stubs.map((s) => `${s.name}  ${s.digest}`).join('\n')
    return (d.deleted ? 'deleted\n' : '') + d.text + (atts ? '\n\nattachments:\n' + atts : '')
  } catch (e) {
    if (e instanceof api.Failure && e.status === 404) return undefined
    throw e
  }
}

function One({ db, id, rev }: { db: string; id: string; rev: string }): JSX.Element {
  const body = useLoad((signal) => bodyOf(db, id, rev, signal), [db, id, rev])
  return (
    <section class="stack" aria-label="Chosen revision">
      <div class="row"><h3 class="mono">{shortRev(rev)}</h3><span class="grow" /><a href={link(['db', db, 'doc', id], { rev })}>Open</a></div>
      <Trouble error={body.error} retry={body.reload} />
      {body.loading ? <Waiting /> : body.value === undefined ? !body.error && <Notice>The body of this revision is gone: a compaction has removed it, or it never came here.</Notice> : <Editor label={`Revision ${shortRev(rev)}`} value={body.value} mode="json" readOnly />}
    </section>
  )
}

function Two({ db, id, revs }: { db: string; id: string; revs: string[] }): JSX.Element {
  const both = useLoad((signal) => Promise.all(revs.map((r) => bodyOf(db, id, r, signal))), [db, id, revs.join()])
  const [a, b] = both.value ?? []
  const names = revs.map(shortRev)
  return (
    <section class="stack" aria-label="Two revisions">
      <h3>From <span class="mono">{names[0]}</span> to <span class="mono">{names[1]}</span></h3>
      <Trouble error={both.error} retry={both.reload} />
      {both.loading ? <Waiting /> : a === undefined || b === undefined ? !both.error && <Notice>The body of {names[a === undefined ? 0 : 1]} is gone, so there is nothing to compare.</Notice> : <Differ left={a} right={b} leftLabel={`Revision ${names[0]}`} rightLabel={`Revision ${names[1]}`} />}
    </section>
  )
}

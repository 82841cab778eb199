// The tree of a document's revisions, and where each is drawn.
import * as api from '../../api'

export interface Node {
  rev: string
  generation: number
  parent: Node | undefined
  children: Node[]
  leaf: boolean
  deleted: boolean
  winner: boolean
  /** whether its body is still there; undefined: nobody has asked yet */
  there: boolean | undefined
  /** ancestors between it and the next one drawn that are left out */
  hidden: number
  /** lane, from 0 */
  lane: number
  /** place on the way from the root, from 0 */
  step: number
}

interface Leaf {
  ok?: { _rev: string; _deleted?: boolean; _revisions: { start: number; ids: string[] } }
}

// Of a document with more leaves than this, only so many are drawn.
const mostLeaves = 200

export interface Tree {
  nodes: Node[]
  leaves: number
  /** leaves that are not drawn */
  omitted: number
}

/** Reads the tree. Each leaf comes with its whole path and its body, which only this tells. */
export async function load(db: string, id: string, signal: AbortSignal): Promise<Tree> {
  const [all, info] = await Promise.all([
    api.get<Leaf[]>([db, id], { open_revs: 'all', revs: true }, signal),
    api.get<{ _rev?: string; _revs_info?: { rev: string; status: string }[] }>([db, id], { revs_info: true }, signal).catch((e: unknown) => {
      if (e instanceof api.Failure && e.status === 404) return undefined // deleted
      throw e
    }),
  ])
  const leaves = all.flatMap((l) => (l.ok ? [l.ok] : [])).sort(better)
  const nodes = new Map<string, Node>()
  for (const leaf of leaves.slice(0, mostLeaves)) {
    const { start, ids } = leaf._revisions
    let child: Node | undefined
    for (const [i, hash] of ids.entries()) {
      const rev = `${start - i}-${hash}`
      let n = nodes.get(rev)
      const known = n !== undefined
      if (!n) nodes.set(rev, (n = { rev, generation: start - i, parent: undefined, children: [], leaf: false, deleted: false, winner: false, there: undefined, hidden: 0, lane: 0, step: 0 }))
      if (child) {
        child.parent = n
        n.children.push(child)
      } else {
        n.leaf = true
        n.there = true
        n.deleted = !!leaf._deleted
        n.winner = leaf === leaves[0]
      }
      if (known) break
      child = n
    }
  }
  for (const i of info?._revs_info ?? []) {
    const n = nodes.get(i.rev)
    if (n) n.there = i.status === 'available' || i.status === 'deleted'
  }
  return { nodes: draw([...nodes.values()]), leaves: leaves.length, omitted: Math.max(0, leaves.length - mostLeaves) }
}

/** CouchDB's order: live before deleted, then the longer history, then the greater hash. */
function better(a: NonNullable<Leaf['ok']>, b: NonNullable<Leaf['ok']>): number {
  return Number(!!a._deleted) - Number(!!b._deleted) || b._revisions.start - a._revisions.start || (a._rev < b._rev ? 1 : -1)
}

/** Tells whether a node can be left out: nothing branches there, and it is not the end of anything. */
const dull = (n: Node): boolean => n.parent !== undefined && n.children.length === 1 && !n.leaf

/** Leaves out the middle of long stretches, and gives the rest their places. */
function draw(all: Node[]): Node[] {
  const kept = new Set(all)
  for (const n of all) {
    if (dull(n) && n.parent && dull(n.parent)) continue // not the beginning of a stretch
    if (!dull(n)) continue
    const stretch = [n]
    for (let c = n.children[0]!; dull(c); c = c.children[0]!) stretch.push(c)
    if (stretch.length <= 8) continue
    const out = stretch.slice(2, -4)
    for (const o of out) kept.delete(o)
    const next = stretch[stretch.length - 4]!
    next.hidden = out.length
    next.parent = stretch[1]!
    stretch[1]!.children = [next]
  }
  const roots = all.filter((n) => n.parent === undefined)
  let lane = 0
  const way = new Set<Node>()
  for (let n = all.find((x) => x.winner); n; n = n.parent) way.add(n)
  const first = (list: Node[]) => [...list].sort((a, b) => Number(way.has(b)) - Number(way.has(a)))
  // The way to the winner is the topmost lane; each other branch gets one of its own.
  const work: [Node, number, boolean][] = first(roots).map((r): [Node, number, boolean] => [r, 0, true]).reverse()
  while (work.length) {
    const [n, step, fresh] = work.pop()!
    if (fresh) n.lane = lane++
    else n.lane = n.parent!.lane
    n.step = step
    const children = first(n.children)
    for (let i = children.length - 1; i >= 0; i--) work.push([children[i]!, step + 1, i > 0])
  }
  return all.filter((n) => kept.has(n))
}

/** Asks for nodes of which nobody knows whether their bodies are there, without reading them. */
export async function lookFor(db: string, id: string, nodes: readonly Node[], signal: AbortSignal): Promise<void> {
  for (const n of nodes) {
    if (n.there !== undefined) continue
    try {
      await api.read([db, id], { method: 'HEAD', query: { rev: n.rev }, signal })
      n.there = true
    } catch (e) {
      if (!(e instanceof api.Failure)) throw e
      if (e.status === 404) n.there = false
    }
  }
}

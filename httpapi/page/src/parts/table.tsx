import { Fragment, type ComponentChildren, type JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

export interface Column<T> {
  title: string
  cell: (row: T, index: number) => ComponentChildren
  /** CSS width; the columns without one share the rest */
  width?: string
  align?: 'end'
  /** left out on a narrow screen */
  wideOnly?: boolean
  /** the title is only for those who do not see the page */
  bare?: boolean
}

export interface TableProps<T> {
  /** what is in it, for those who do not see it */
  label: string
  columns: readonly Column<T>[]
  /** how many rows there are, a million if you like */
  count: number
  /** one row; undefined while it is being loaded */
  row: (index: number) => T | undefined
  key: (row: T, index: number) => string
  /** told which rows are shown: load what is missing of them. to is behind the last one. */
  onVisible?: (from: number, to: number) => void
  /** Enter and click */
  onOpen?: (row: T, index: number) => void
  /** a row to mark */
  selected?: (row: T, index: number) => boolean
  /** px; all rows have it */
  rowHeight?: number
  /** shows this row at the top; a new object does so again */
  jump?: { index: number } | undefined
}

// Browsers do not take elements of any height. Above this one (px) the scroll bar is finer than
// rows: a jump by it moves further, and the wheel still moves by rows.
const tallest = 6_000_000

/**
 * A table that renders only the rows that are seen, of any number. Arrow keys, Page Up and Down,
 * Home and End go through it, Enter opens a row.
 */
export function Table<T>(p: Omit<TableProps<T>, 'key'> & { rowKey: TableProps<T>['key'] }): JSX.Element {
  const height = p.rowHeight ?? 40
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState(600) // px that are seen
  const [top, setTop] = useState(0) // px of all rows above what is seen
  const last = useRef(0) // scrollTop that top belongs to
  const [active, setActive] = useState(0)
  const refocus = useRef(false)

  const full = p.count * height
  const shown = Math.min(full, tallest)
  const most = Math.max(0, full - (view - height)) // of top; the head hides one row's height
  const from = Math.max(0, Math.floor(Math.min(top, most) / height) - 6)
  const to = Math.min(p.count, Math.ceil((Math.min(top, most) + view) / height) + 6)

  useLayoutEffect(() => {
    const b = box.current!
    const o = new ResizeObserver(() => setView(b.clientHeight))
    o.observe(b)
    setView(b.clientHeight)
    return () => o.disconnect()
  }, [])

  const scrolled = () => {
    const b = box.current!
    const at = b.scrollTop
    const room = Math.max(1, b.scrollHeight - b.clientHeight)
    const step = at - last.current
    last.current = at
    if (shown === full) return setTop(at)
    if (at <= 0) return setTop(0)
    if (at >= room - 1) return setTop(most)
    setTop((old) => (Math.abs(step) < view * 2 ? Math.max(0, Math.min(most, old + step)) : (at / room) * most))
  }

  // Brings a place (px) to the top.
  const scrollTo = (px: number) => {
    const b = box.current!
    const want = Math.max(0, Math.min(most, px))
    b.scrollTop = shown === full ? want : (want / Math.max(1, most)) * (b.scrollHeight - b.clientHeight)
    last.current = b.scrollTop
    setTop(want)
  }

  useEffect(() => {
    if (p.jump) {
      setActive(p.jump.index)
      scrollTo(p.jump.index * height)
    }
  }, [p.jump])

  useEffect(() => {
    if (to > from) p.onVisible?.(from, to)
  }, [from, to, p.count, p.onVisible])

  useLayoutEffect(() => {
    if (!refocus.current) return
    refocus.current = false
    box.current!.querySelector<HTMLElement>(`tr[data-row="${active}"]`)?.focus({ preventScroll: true })
  })

  const keys = (e: KeyboardEvent) => {
    if (!(e.target instanceof HTMLElement) || e.target.tagName !== 'TR' || e.altKey || e.ctrlKey || e.metaKey) return
    const page = Math.max(1, Math.floor(view / height) - 2)
    const moves: Record<string, number> = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: p.count - 1 }
    const next = moves[e.key]
    if (next !== undefined) {
      e.preventDefault()
      const to = Math.max(0, Math.min(p.count - 1, next))
      setActive(to)
      refocus.current = true
      if (to * height < top) scrollTo(to * height)
      else if ((to + 2) * height > top + view) scrollTo((to + 2) * height - view)
    } else if (e.key === 'Enter') {
      e.preventDefault() // or the same press goes on in what it opens, and closes that
      const row = p.row(active)
      if (row !== undefined) p.onOpen?.(row, active)
    }
  }

  const focusable = Math.max(from, Math.min(to - 1, active))
  const rows: JSX.Element[] = []
  for (let i = from; i < to; i++) {
    const row = p.row(i)
    rows.push(
      <tr
        key={i /* so that a row that is loaded keeps the focus */}
        data-row={i}
        aria-rowindex={i + 2}
        tabIndex={i === focusable ? 0 : -1}
        aria-selected={row !== undefined && p.selected ? p.selected(row, i) : undefined}
        class={p.onOpen ? 'opens' : ''}
        style={{ height: `${height}px` }}
        onFocus={(e) => e.target === e.currentTarget && setActive(i)}
        onClick={(e) => {
          if (row === undefined || (e.target as HTMLElement).closest('a,button,input,select,label')) return
          if (String(getSelection()) === '') p.onOpen?.(row, i)
        }}
      >
        {p.columns.map((c) => (
          <td key={c.title} class={`${c.align ?? ''} ${c.wideOnly ? 'wide-only' : ''}`}>
            {row === undefined ? <span class="blank" /> : <Fragment key={p.rowKey(row, i)}>{c.cell(row, i)}</Fragment>}
          </td>
        ))}
      </tr>,
    )
  }
  // What is seen lies where the scroll bar is, however much the height is cut.
  const lead = shown === full ? from * height : Math.max(0, last.current - (Math.min(top, most) - from * height))
  return (
    <div class="table" ref={box} onScroll={scrolled} onKeyDown={keys}>
      <div class="all" style={{ height: `${shown + height}px` }}>
        <table aria-label={p.label} aria-rowcount={p.count + 1} style={{ marginTop: `${lead}px` }}>
          <colgroup>
            {p.columns.map((c) => <col key={c.title} class={c.wideOnly ? 'wide-only' : ''} style={c.width ? { width: c.width } : {}} />)}
          </colgroup>
          <thead>
            <tr aria-rowindex={1}>
              {p.columns.map((c) => (
                <th key={c.title} scope="col" class={`${c.align ?? ''} ${c.wideOnly ? 'wide-only' : ''}`}>
                  <span class={c.bare ? 'unseen' : ''}>{c.title}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{rows}</tbody>
        </table>
      </div>
    </div>
  )
}

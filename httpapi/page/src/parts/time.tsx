import type { JSX } from 'preact'
import { ago } from '../format'

/** A moment: how long ago, and exactly when for who points at it. */
export function Time({ at }: { at: Date | string | number }): JSX.Element {
  const when = at instanceof Date ? at : new Date(typeof at === 'number' ? at * 1000 : at)
  if (Number.isNaN(when.getTime())) return <span>–</span>
  return <time dateTime={when.toISOString()} title={when.toLocaleString('en')}>{ago(when)}</time>
}

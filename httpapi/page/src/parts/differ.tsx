import { lazy } from './lazy'

export interface DifferProps {
  left: string
  right: string
  /** names for those who do not see it */
  leftLabel: string
  rightLabel: string
}

/** Two texts side by side, what differs marked. Its code is loaded when the first is shown. */
export const Differ = lazy<DifferProps>(() => import('./mergeview'))

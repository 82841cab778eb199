import { lazy } from './lazy'

export interface PlotProps {
  /** what it shows, for those who do not see it */
  label: string
  /** seconds since 1970, rising */
  times: readonly number[]
  lines: readonly { name: string; values: readonly (number | null)[]; color?: 'accent' | 'good' | 'warning' | 'danger' | 'second' }[]
  /** px */
  height?: number
  /** how figures are written: format.size, format.rate, ... */
  format?: (n: number) => string
  /** only the line, without axes and legend, for a cell of a table */
  small?: boolean
}

/** Figures over time. uPlot draws it; its code is loaded when the first plot is shown. */
export const Plot = lazy<PlotProps>(() => import('./uplot'))

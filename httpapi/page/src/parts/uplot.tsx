import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { dark } from '../theme'
import type { PlotProps } from './plot'

const clock = (t: number, seconds: boolean) => new Date(t * 1000).toLocaleTimeString('en', { hour12: false, hour: '2-digit', minute: '2-digit', ...(seconds ? { second: '2-digit' } : {}) })

/** Draws a Plot. */
export default function Drawn({ label, times, lines, height = 160, format = String, small }: PlotProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const data = [times, ...lines.map((l) => l.values)] as unknown as uPlot.AlignedData
  const shape = lines.map((l) => l.name + (l.color ?? '')).join('|')
  useEffect(() => {
    const b = box.current!
    const css = getComputedStyle(b)
    const color = (name: string) => css.getPropertyValue(`--${name}`).trim()
    const axis = { stroke: color('faint'), grid: { stroke: color('line'), width: 1 }, ticks: { show: false } }
    const palette = ['accent', 'second', 'warning', 'danger', 'good']
    const u = new uPlot(
      {
        width: b.clientWidth || 100,
        height,
        cursor: { show: !small, y: false },
        // While nobody points at a moment, the legend has the newest figures.
        hooks: { setCursor: [(u) => u.cursor.idx == null && u.setLegend({ idx: u.data[0].length - 1 })], ready: [(u) => u.setLegend({ idx: u.data[0].length - 1 })] },
        legend: { show: !small },
        ...(small ? { padding: [2, 0, 2, 0] as uPlot.Padding } : {}),
        scales: { y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.05 : 1] } },
        axes: small ? [{ show: false }, { show: false }] : [{ ...axis, space: 70, values: (_u, at) => at.map((t) => clock(t, (at[1] ?? t + 60) - at[0]! < 60)) }, { ...axis, size: 70, values: (_u, v) => v.map(format) }],
        series: [
          { value: (_u, v) => (v === null ? '' : clock(v, true)) },
          ...lines.map((l, i) => ({
            label: l.name,
            stroke: color(l.color ?? palette[i % palette.length]!),
            width: small ? 1.5 : 2,
            points: { show: false },
            spanGaps: true, // nothing happened in between, or nobody looked
            value: (_u: uPlot, v: number | null) => (v === null ? '–' : format(v)),
          })),
        ],
      },
      data,
      b,
    )
    u.root.querySelector('.u-legend')?.setAttribute('role', 'presentation') // the label of the whole says what it says
    plot.current = u
    const o = new ResizeObserver(() => u.setSize({ width: b.clientWidth, height }))
    o.observe(b)
    return () => {
      o.disconnect()
      u.destroy()
    }
  }, [dark.value, height, small, shape])
  useEffect(() => {
    plot.current?.setData(data)
    if (plot.current?.cursor.idx == null) plot.current?.setLegend({ idx: times.length - 1 })
  }, [times, lines])
  const latest = lines.map((l) => `${l.name}: ${format(l.values.at(-1) ?? 0)}`).join(', ')
  return <div class={`plot ${small ? 'small' : ''}`} ref={box} role="img" aria-label={`${label}. ${latest}`} />
}

import type { JSX } from 'preact'
import encode from 'qr'

/** A QR code of a text, drawn as one path. */
export default function QR({ text, label }: { text: string; label: string }): JSX.Element {
  const rows = encode(text, 'raw', { ecc: 'medium', border: 2 })
  let path = ''
  rows.forEach((row, y) => row.forEach((on, x) => on && (path += `M${x} ${y}h1v1h-1z`)))
  return (
    <svg class="qr" viewBox={`0 0 ${rows.length} ${rows.length}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width="100%" height="100%" fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  )
}

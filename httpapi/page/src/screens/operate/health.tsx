import type { JSX } from 'preact'
import * as api from '../../api'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'

/** What a check of `tododb doctor` found. */
interface Check {
  name: string
  state: 'ok' | 'warning' | 'fault' | 'skipped'
  text: string
  cure?: string
}

const words: Record<Check['state'], [string, string]> = { ok: ['good', 'good'], warning: ['warning', 'look at it'], fault: ['danger', 'fault'], skipped: ['', 'not tried'] }

/** What the doctor says of the server's folder and its system. */
export function Health(): JSX.Element {
  const found = useLoad((signal) => api.get<{ checks: Check[] }>(['_node', '_local', '_doctor'], {}, signal), [])
  if (found.error) return <Trouble error={found.error} retry={found.reload} />
  if (!found.value) return <Waiting />
  return (
    <>
      <ul class="operate-health">
        {found.value.checks.map((c) => (
          <li key={c.name}>
            <span class={`badge ${words[c.state][0]}`}>{words[c.state][1]}</span>
            <div>
              <strong>{c.name}</strong> {c.text}
              {c.cure && <p class="faint">{c.cure}</p>}
            </div>
          </li>
        ))}
      </ul>
      <div><Button onClick={found.reload} busy={found.loading}>Check again</Button></div>
    </>
  )
}

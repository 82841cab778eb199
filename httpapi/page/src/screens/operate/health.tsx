import type { JSX } from 'preact'
import * as api from '../../api'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'

/** What a look of `tododb doctor` found. */
interface Finding {
  check: string
  state: 'ok' | 'warning' | 'fault' | 'skipped'
  says: string
  cure?: string
}

const words: Record<Finding['state'], [string, string]> = { ok: ['good', 'good'], warning: ['warning', 'look at it'], fault: ['danger', 'fault'], skipped: ['', 'not tried'] }

/** What the doctor says of the server's folder and its system. */
export function Health(): JSX.Element {
  const found = useLoad((signal) => api.get<{ findings: Finding[] }>(['_node', '_local', '_doctor'], {}, signal), [])
  if (found.error) return <Trouble error={found.error} retry={found.reload} />
  if (!found.value) return <Waiting />
  return (
    <>
      <ul class="operate-health">
        {found.value.findings.map((f) => (
          <li key={f.check}>
            <span class={`badge ${words[f.state][0]}`}>{words[f.state][1]}</span>
            <div>
              <span>{f.says}</span>
              {f.cure && <p class="faint">{f.cure}</p>}
            </div>
          </li>
        ))}
      </ul>
      <div><Button onClick={found.reload} busy={found.loading}>Check again</Button></div>
    </>
  )
}

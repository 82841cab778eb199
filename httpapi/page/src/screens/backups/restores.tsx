import type { JSX } from 'preact'
import { useAct } from '../../act'
import * as api from '../../api'
import { count, plural } from '../../format'
import { useEvery, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Notice } from '../../parts/notice'
import { Progress } from '../../parts/progress'
import { Time } from '../../parts/time'
import { failed } from '../../parts/toast'
import { link } from '../../router'
import type { Restore } from './backup'

const what = (r: Restore): string => (r.all ? 'the server' : !r.doc_ids ? r.as ?? '' : r.doc_ids.length === 1 ? `${r.doc_ids[0]} of ${r.as ?? ''}` : `${plural(r.doc_ids.length, 'document')} of ${r.as ?? ''}`)

/** What is being restored, and how the last restores went. Another turn looks at once. */
export function Restores({ turn, most }: { turn: number; most: number }): JSX.Element | null {
  const list = useLoad((signal) => api.get<{ restores: Restore[] }>(['_backups', '_restores'], {}, signal), [turn])
  const all = list.value?.restores ?? []
  useEvery(1000, () => all[0]?.state === 'running' && list.refresh())
  if (all.length === 0) return null
  return (
    <section class="stack" aria-labelledby="backups-restores">
      <h2 id="backups-restores">Restores</h2>
      <ul class="backups-list" aria-live="polite">
        {all.slice(0, most).map((r) => <li key={r.id}><One restore={r} onStopped={list.reload} /></li>)}
      </ul>
    </section>
  )
}

function One({ restore: r, onStopped }: { restore: Restore; onStopped: () => void }): JSX.Element {
  const act = useAct(failed)
  if (r.state === 'running') {
    return (
      <div class="card row">
        <div class="grow">
          <Progress label={`${r.dry_run ? 'Trying to restore' : 'Restoring'} ${what(r)}`} part={r.total_docs ? Math.min(1, r.docs / r.total_docs) : undefined} note={`${r.all ? `${count(r.all.databases_done)} of ${plural(r.all.databases, 'database')}${r.all.now ? `, now ${r.all.now}` : ''}; ` : ''}${count(r.docs)} of ${plural(r.total_docs, 'document')}`} />
        </div>
        <Button busy={act.busy} onClick={() => void act.run(async (to) => {
          await to.send('DELETE', ['_backups', '_restores', r.id])
          onStopped()
        })}>Stop</Button>
      </div>
    )
  }
  if (r.state === 'done') {
    return (
      <Notice kind="good">
        <bdi>{what(r)}</bdi> {r.dry_run ? 'can be restored' : 'is restored'}, {r.all && <>{plural(r.all.databases, 'database')}, </>}{plural(r.docs, 'document')}, <Time at={r.ended ?? r.started} />.
        {!r.dry_run && r.as && <> <a href={link(['db', r.as, 'docs'])}>Look at it</a></>}
      </Notice>
    )
  }
  return (
    <Notice kind={r.state === 'failed' ? 'error' : 'info'}>
      <bdi>{what(r)}</bdi> {r.state === 'failed' ? 'could not be restored' : 'was not restored: somebody stopped it'}. {r.state === 'failed' && r.error?.reason} {r.all?.databases_done && !r.dry_run ? `${plural(r.all.databases_done, 'database')} of ${count(r.all.databases)} came before that, and stay.` : 'Nothing has changed.'}
    </Notice>
  )
}

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { count, plural } from '../../format'
import { useEvery, useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Choice, Field } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { Progress } from '../../parts/progress'
import { Time } from '../../parts/time'
import { restore, type Backup, type Restore } from './backup'

/** So many names are to be typed one by one; of more, their number. */
const mostNames = 5

/** Restores all databases of a backup: it is tried out first, and says what would be replaced. */
export function RestoreAll({ backup, onClose, onDone }: { backup: Backup; onClose: () => void; onDone: () => void }): JSX.Element {
  const [trial, setTrial] = useState<string>()
  const [how, setHow] = useState<'missing' | 'all'>('missing')
  const [typed, setTyped] = useState('')
  const act = useAct()
  const tried = useLoad<Restore | undefined>(async (signal) => (trial ? api.get(['_backups', '_restores', trial], {}, signal) : undefined), [trial])
  const t = tried.value
  useEvery(500, () => t?.state === 'running' && tried.refresh())
  const fits = t?.state === 'done' ? t.all : undefined
  const words = !fits ? '' : fits.replaced > mostNames ? `replace ${fits.replaced} databases` : fits.replaced_names.join(', ')
  const lacks = fits ? fits.databases - fits.replaced : 0
  const replaces = how === 'all' && !!fits?.replaced
  const may = !!fits && (replaces ? sameNames(typed, words) : how === 'all' || lacks > 0)
  const start = (dry: boolean) => act.run(async (to) => {
    const r = await restore(to, backup.id, dry ? { all: true, replace: true, dry_run: true } : how === 'all' ? { all: true, replace: replaces } : { all: true, missing: true })
    if (dry) setTrial(r.id)
    else onDone()
  })
  return (
    <Dialog title="Restore all databases" unsaved="" onClose={onClose} onSubmit={() => may && start(false)} actions={
      <>
        <Button onClick={() => void start(true)} kind={t ? 'plain' : 'primary'} busy={t?.state === 'running' || act.busy}>Try it out</Button>
        {fits && <Button kind={replaces ? 'danger' : 'primary'} type="submit" busy={act.busy} disabled={!may}>{replaces ? 'Replace' : 'Restore'}</Button>}
      </>
    }>
      <Trouble error={act.error ?? tried.error} />
      <p>{plural(backup.databases, 'database')} with {plural(backup.documents, 'document')}, as of <Time at={backup.time} />. Settings and administrators stay as they are; <code>tododb restore --settings</code> brings those back too.</p>
      {!t && <Notice>First everything is read and checked, and nothing changes. Then you are told what would be replaced.</Notice>}
      {t?.state === 'running' && <Progress label="Trying it out" part={t.total_docs ? Math.min(1, t.docs / t.total_docs) : undefined} note={t.all ? `${count(t.all.databases_done)} of ${plural(t.all.databases, 'database')}` : ''} />}
      {(t?.state === 'failed' || t?.state === 'stopped') && <Notice kind="error">It cannot be restored so: {t.error?.reason}</Notice>}
      {fits && (
        <>
          <Notice kind="good">All of it is there and right. {fits.replaced === 0 ? 'The server has none of these databases.' : `The server lacks ${plural(lacks, 'database')} of these, and has ${count(fits.replaced)}.`}</Notice>
          {fits.replaced > 0 && <Choice label="What to restore" value={how} onChange={setHow} options={[['missing', `What is missing: ${plural(lacks, 'database')}`], ['all', `All, over the present: ${plural(fits.databases, 'database')}`]]} />}
          {replaces && (
            <>
              <Notice kind="warning">
                What these have now is gone then: <bdi>{fits.replaced_names.join(', ')}</bdi>{fits.replaced > fits.replaced_names.length && ` and ${count(fits.replaced - fits.replaced_names.length)} more`}. Devices that sync with them bring again what they still hold.
              </Notice>
              <Field label={fits.replaced > mostNames ? `Type “${words}”` : 'Type the names, with commas between'} value={typed} onInput={setTyped} />
            </>
          )}
        </>
      )}
    </Dialog>
  )
}

/** Names are the same in any order, and however they are spaced. */
function sameNames(a: string, b: string): boolean {
  const sorted = (s: string) => s.split(',').map((n) => n.trim()).filter((n) => n !== '').sort().join(',')
  return sorted(a) === sorted(b)
}

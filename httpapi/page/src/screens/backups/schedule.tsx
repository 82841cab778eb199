import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useAct } from '../../act'
import * as api from '../../api'
import { useLoad } from '../../load'
import { Button } from '../../parts/button'
import { Dialog } from '../../parts/dialog'
import { Field } from '../../parts/field'
import { Notice, Trouble } from '../../parts/notice'
import { Waiting } from '../../parts/progress'
import { done } from '../../parts/toast'
import type { State } from './backup'

const settings = ['_node', '_local', '_config', 'backup']
const rules = [['keep_hourly', 'Hours'], ['keep_daily', 'Days'], ['keep_weekly', 'Weeks'], ['keep_monthly', 'Months']] as const

type Values = Record<string, string>

/** What is wrong with the form, by its fields. The server looks at each value again. */
export function check(v: Values): Values {
  const wrong: Values = {}
  const target = v.target ?? ''
  if (!/^(\/|[A-Za-z]:[\\/]|s3:https?:\/\/[^/]+\/[^/]+)/.test(target)) wrong.target = 'Write the whole path of a folder, or s3:https://HOST/BUCKET/PREFIX.'
  if (!/^(continuous|manual|(\d+[smhdw])+|\d\d:\d\d(\s*,\s*\d\d:\d\d)*)$/.test(v.schedule ?? '')) wrong.schedule = 'Write 1h or 1d, times such as 02:00, 14:00, continuous, or manual.'
  for (const [name] of rules) if (!/^\d{0,6}$/.test(v[name] ?? '')) wrong[name] = 'Write a number.'
  return wrong
}

/** Where and when the server backs itself up, and what stays. */
export function Schedule({ onClose, onDone }: { onClose: () => void; onDone: () => void }): JSX.Element {
  const now = useLoad((signal) => api.get<Values>(settings, {}, signal), [])
  const [changed, change] = useState<Values>({})
  const [tried, setTried] = useState(false)
  const act = useAct()
  const off = now.value !== undefined && !now.value.target
  const usual: Values = off ? { schedule: '1d', keep_daily: '7', keep_weekly: '5', keep_monthly: '12' } : {}
  const value = (name: string) => changed[name] ?? (now.value?.[name] || usual[name] || '')
  const all: Values = {}
  for (const name of ['target', 'schedule', ...rules.map(([n]) => n)]) all[name] = value(name).trim()
  const wrong = check(all)
  const none = rules.every(([name]) => !Number(all[name])) && !Number(now.value?.keep_last) && !Number(now.value?.keep_yearly) && !now.value?.keep_within
  const save = () => act.run(async (to) => {
    setTried(true)
    if (Object.keys(wrong).length > 0) return
    // The target is the last: no backup begins before the rest is as it should be.
    for (const name of ['schedule', ...rules.map(([n]) => n), 'target']) {
      const next = name.startsWith('keep_') ? all[name] || '0' : all[name]!
      if (next !== (now.value![name] ?? (name.startsWith('keep_') ? '0' : ''))) await to.send('PUT', [...settings, name], next)
    }
    const state = await api.get<State>(['_backups'])
    if (state.error) throw new Error(`The settings are written, but they cannot be used: ${state.error}`)
    done('The server backs itself up now')
    onDone()
  })
  const field = (name: string, label: string, hint?: string, placeholder?: string) => (
    <Field key={name} label={label} value={value(name)} onInput={(v) => change({ ...changed, [name]: v })} hint={hint} placeholder={placeholder ?? ''} error={tried ? wrong[name] : undefined} />
  )
  return (
    <Dialog title="Backups of this server" onClose={onClose} onSubmit={() => now.value && save()} actions={<Button kind="primary" type="submit" busy={act.busy} disabled={!now.value}>{off ? 'Switch on' : 'Save'}</Button>}>
      <Trouble error={act.error ?? now.error} />
      {!now.value && !now.error && <Waiting />}
      {now.value && (
        <>
          {field('target', 'Target', 'a folder of the server’s machine, best on another disk, or a bucket: s3:https://HOST/BUCKET/PREFIX', '/srv/backups/tododb')}
          {field('schedule', 'When', '1h or 1d after the last one, 02:00, 14:00, continuous, or manual')}
          <fieldset class="backups-keep">
            <legend>Keep the newest one of each of so many</legend>
            {rules.map(([name, label]) => field(name, label))}
          </fieldset>
          {none && <Notice>Without a number all backups stay, and the target grows.</Notice>}
          <p class="faint">Encryption, keys of a bucket and other rules are among the settings of [backup].</p>
        </>
      )}
    </Dialog>
  )
}
